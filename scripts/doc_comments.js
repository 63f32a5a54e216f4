// `node scripts/doc_comments.js`: says what is missing in the doc comments of what is exported.
// `npm test` demands that it is nothing.
import { relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { denoDoc } from "./docs.js";
import { root } from "./process.js";

/**
 * The parts that are read of what `deno doc --json` writes.
 *
 * @typedef {{ kind: string, name?: string, doc?: string, value?: string, tsType?: Type }} Tag
 * @typedef {{ doc?: string, tags?: Tag[] }} Comment
 * @typedef {{ name?: string, arg?: Parameter, left?: Parameter }} Parameter
 * @typedef {{ kind: string, repr?: string, value?: any }} Type
 *
 * @typedef {object} Signature
 * @property {Parameter[]} [params]
 * @property {Type} [returnType]
 *
 * @typedef {object} Commented
 * @property {string} kind
 * @property {{ filename: string, line: number }} location counted from 0
 * @property {Comment} [jsDoc]
 *
 * @typedef {Commented & Signature & {
 *   name?: string,
 *   optional?: boolean,
 *   accessibility?: "public" | "protected" | "private",
 *   functionDef?: Signature,
 *   tsType?: Type,
 * }} Member
 *
 * @typedef {Signature & {
 *   hasBody?: boolean,
 *   constructors?: Member[],
 *   callSignatures?: Member[],
 *   properties?: Member[],
 *   methods?: Member[],
 *   extends?: string | Type[],
 *   implements?: Type[],
 *   tsType?: Type,
 * }} Definition
 *
 * @typedef {Commented & { def: Definition }} Declaration
 * @typedef {{ name: string, declarations: Declaration[] }} ExportedSymbol
 * @typedef {{ nodes: Record<string, { module_doc?: Comment, symbols: ExportedSymbol[] }> }} Documentation
 */

/** Interfaces that users implement: an example shows how, as for functions and classes. */
const implementedByUsers = new Set(["Codec", "Storage"]);

/**
 * @param {readonly string[]} [files] the entry points, if not those of the package
 * @returns {Promise<string[]>} what is missing, once each, though several entry points export it
 */
export async function missingInComments(files) {
  const { ok, end, output } = await denoDoc(["--json"], files);
  if (!ok) throw new Error(`deno doc ${end}:\n${output}`);
  return missingIn(JSON.parse(output));
}

/** @param {Documentation} documentation */
function missingIn({ nodes }) {
  const modules = Object.entries(nodes)
    .filter(([, { module_doc: comment }]) => !comment?.doc)
    .map(([file]) => `${fileOf(file)}: the module has no doc comment`);
  const exported = new Map(
    Object.values(nodes).flatMap(({ symbols }) => symbols)
      // What an entry point takes over from another stands there.
      .filter(({ declarations }) => declarations.some(({ kind }) => kind !== "reference"))
      .map(({ name, declarations }) => [name, declarations]),
  );
  const check = new Check(exported);
  for (const [name, declarations] of exported) {
    const shown = withoutImplementation(declarations);
    for (const declaration of shown) check.declaration(name, declaration);
    check.example(name, shown);
  }
  return [...modules, ...check.missing].sort();
}

class Check {
  /** @type {string[]} */
  missing = [];
  #exported;
  #codes;

  /** @param {Map<string, Declaration[]>} exported */
  constructor(exported) {
    this.#exported = exported;
    this.#codes = new Set(["INVALID_ARGUMENT"]);
    const [codes] = exported.get("PersistenceErrorCode") ?? [];
    for (const { repr } of codes?.def.tsType?.value ?? []) this.#codes.add(repr);
  }

  /** @param {string} name @param {Declaration} declaration */
  declaration(name, declaration) {
    const { kind, def } = declaration;
    this.#comment(name, declaration);
    if (kind === "function") this.#signature(name, declaration, def);

    const inherited = this.#inheritedBy(def);
    for (const member of membersOf(def).filter(isPublic)) {
      const full = `${name}.${member.name ?? "()"}`;
      this.#comment(full, member);
      // What it inherits says the rest.
      if (inherited.has(member.name)) continue;
      if (!/^[gs]etter$/.test(member.kind)) {
        this.#signature(full, member, signatureOf(member));
      }
      if (name.endsWith("Options") && member.optional) this.#default(full, member);
    }
  }

  /** One example is enough for all forms. @param {string} name @param {Declaration[]} declarations */
  example(name, declarations) {
    const [first] = declarations;
    if (!first || !(/^(function|class)$/.test(first.kind) || implementedByUsers.has(name))) return;
    const examples = declarations.flatMap(({ jsDoc }) => tagsOf(jsDoc, "example"));
    if (examples.some(({ doc }) => /^```ts$/m.test(doc ?? ""))) return;
    this.#add(name, first, "no @example with code");
  }

  /** @param {string} name @param {Commented} commented */
  #comment(name, commented) {
    const { doc = "", tags = [] } = commented.jsDoc ?? {};
    if (doc.trim() === "") this.#add(name, commented, "no doc comment");
    for (const { value = "" } of tags.filter(({ kind }) => kind === "unsupported")) {
      // A default without braces is reported as missing.
      if (value.startsWith("@default")) continue;
      this.#add(name, commented, `${value.trim()}, which is not understood`);
    }
    for (const tag of tagsOf(commented.jsDoc, "throws")) this.#throws(name, commented, tag);
    const texts = [doc, ...tags.map(({ doc = "" }) => doc)].join("\n");
    for (const [, target = ""] of texts.matchAll(/\{@link(?:code|plain)?\s+([^\s|}]+)/g)) {
      if (/^https?:/.test(target) || this.#exported.has(target.split(/[.#]/, 1)[0] ?? "")) continue;
      this.#add(name, commented, `a link to ${target}, which is not exported`);
    }
  }

  /** @param {string} name @param {Commented} commented @param {Tag} tag */
  #throws(name, commented, { tsType, doc = "" }) {
    const codes = Array.from(doc.matchAll(/`([A-Z][A-Z_]+)`/g), ([, code = ""]) => code);
    const types = tsType?.kind === "union" ? tsType.value : [tsType];
    const isOurs = types.some((/** @type {Type | undefined} */ type) =>
      type === undefined || this.#exported.has(type.repr ?? "")
    );
    if (isOurs && codes.length === 0 && !doc.includes("{@link")) {
      this.#add(name, commented, `@throws without a code: ${doc.trim()}`);
    }
    for (const code of codes.filter((code) => !this.#codes.has(code))) {
      this.#add(name, commented, `@throws ${code}, which is not a code`);
    }
  }

  /** @param {string} name @param {Commented} commented @param {Signature} signature */
  #signature(name, commented, { params = [], returnType }) {
    const described = tagsOf(commented.jsDoc, "param").filter(({ doc }) => doc?.trim());
    const wanted = params.map(nameOf);
    for (const param of wanted) {
      if (!described.some((tag) => tag.name === param)) {
        this.#add(name, commented, `no @param ${param}`);
      }
    }
    for (const { name: other = "" } of described.filter((tag) => !wanted.includes(tag.name))) {
      this.#add(name, commented, `@param ${other}, which is not a parameter`);
    }
    if (returnType === undefined || isVoid(returnType)) return;
    if (!tagsOf(commented.jsDoc, "return").some(({ doc }) => doc?.trim())) {
      this.#add(name, commented, "no @returns");
    }
  }

  /** @param {string} name @param {Commented} commented */
  #default(name, commented) {
    if (tagsOf(commented.jsDoc, "default").length > 0) return;
    this.#add(name, commented, "no @default, which is written as `@default {100}`");
  }

  /** @param {Definition} definition @returns {Set<string | undefined>} the names of its members */
  #inheritedBy({ extends: parents = [], implements: ports = [] }) {
    const names = typeof parents === "string" ? [parents] : parents.map(({ repr }) => repr);
    return new Set(
      [...names, ...ports.map(({ repr }) => repr)]
        .flatMap((name) => this.#exported.get(name ?? "") ?? [])
        .flatMap(({ def }) => membersOf(def).map(({ name }) => name)),
    );
  }

  /** @param {string} name @param {Commented} commented @param {string} what */
  #add(name, { location: { filename, line } }, what) {
    this.missing.push(`${fileOf(filename)}:${line + 1}: ${name}: ${what}`);
  }
}

/** @param {Definition} definition @returns {Member[]} */
function membersOf({ tsType, constructors = [], callSignatures = [], properties, methods }) {
  const literal = tsType?.kind === "typeLiteral" ? tsType.value : {};
  return [
    // One that takes nothing needs no words.
    ...constructors.filter(({ params = [] }) => params.length > 0),
    ...callSignatures,
    ...(properties ?? literal.properties ?? []),
    ...(methods ?? literal.methods ?? []),
  ];
}

/** @param {Member} member */
function isPublic({ accessibility, jsDoc }) {
  if (accessibility === "private" || accessibility === "protected") return false;
  return tagsOf(jsDoc, "internal").length === 0;
}

/** If a function has several forms, its implementation is none. @param {Declaration[]} declarations */
function withoutImplementation(declarations) {
  if (declarations.length === 1) return declarations;
  return declarations.filter(({ kind, def }) => kind !== "function" || !def.hasBody);
}

/** @param {Comment | undefined} comment @param {string} kind */
function tagsOf(comment, kind) {
  return comment?.tags?.filter((tag) => tag.kind === kind) ?? [];
}

/** @param {Member} member @returns {Signature} */
function signatureOf(member) {
  if (member.tsType?.kind !== "fnOrConstructor") return member.functionDef ?? member;
  const { params, tsType: returnType } = member.tsType.value;
  return { params, returnType };
}

/** @param {Parameter} parameter @returns {string | undefined} */
function nameOf({ name, arg, left }) {
  const inner = arg ?? left;
  return inner === undefined ? name : nameOf(inner);
}

/** @param {Type} type @returns {boolean} also where there is nothing to wait for but the end */
function isVoid({ kind, repr, value }) {
  if (kind === "union") return value.every(isVoid);
  if (kind === "typeRef") return /Promise$/.test(repr ?? "") && value.typeParams?.every(isVoid);
  return repr === "void" || repr === "undefined" || repr === "never";
}

/** @param {string} url */
function fileOf(url) {
  return relative(root, fileURLToPath(url)).replaceAll("\\", "/");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = await missingInComments();
  console.log([...missing, `${missing.length} things are missing`].join("\n"));
  if (missing.length > 0) process.exitCode = 1;
}
