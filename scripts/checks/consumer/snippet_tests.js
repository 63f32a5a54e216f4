// Stands in for `node:test` in snippets: collects the tests that they register.

/** @typedef {{ name: string, run: () => Promise<void> | void }} Test */

/** @type {Test[]} */
const registered = [];

export const test = Object.assign(
  /** @param {string} name @param {Test["run"]} run */
  (name, run) => void registered.push({ name, run }),
  { skip: () => {} },
);

/** @returns {Test[]} what was registered since the last call */
export function takeTests() {
  return registered.splice(0);
}
