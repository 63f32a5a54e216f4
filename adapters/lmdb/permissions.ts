/**
 * The permissions of Deno, of which the other runtimes know nothing.
 *
 * @module
 */

/** What Deno may allow. */
export type DenoPermission =
  | { readonly name: "net" }
  | { readonly name: "read"; readonly path: string }
  | { readonly name: "sys"; readonly kind: "statfs" };

/** As much of Deno as is needed. */
interface DenoGlobal {
  readonly Deno?: {
    readonly permissions: {
      querySync(permission: DenoPermission): { readonly state: string };
    };
  };
}

/**
 * Whether something may be done without asking the user.
 *
 * @param permission What it takes.
 * @returns Whether it is granted. On Node and Bun always true.
 */
export function isGranted(permission: DenoPermission): boolean {
  const { Deno: deno }: DenoGlobal = globalThis;
  return !deno || deno.permissions.querySync(permission).state === "granted";
}
