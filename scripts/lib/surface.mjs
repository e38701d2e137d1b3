// What the public doors promise: every type in their signatures can be named, and everything is said where an editor shows it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { ensureBuilt, repository } from "./build.mjs";

// Here and not above: it takes a third of a second to load, for those who ask for another check.
const loadTypeScript = () => createRequire(join(repository, "package.json"))("typescript");

/** The doors: what package.json exports, by the names that users import, with their types in dist/ and their source. */
export function doorsOf(root = repository) {
  const { name, exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.entries(exports).flatMap(([path, { types }]) =>
    types === undefined
      ? []
      : [
          {
            name: path.replace(".", name),
            types: join(root, types),
            source: types.replace(/^\.\/dist\/(.*)\.d\.ts$/, "src/$1.ts"),
          },
        ],
  );
}

/** What is wrong with the public surface, one line each; undefined when all is well. */
export async function checkSurface() {
  await ensureBuilt({ say: () => {} });
  const ts = loadTypeScript();
  const surface = readSurface(ts, doorsOf());
  const faults = [...unnamed(surface), ...unshown(surface), ...surface.exports.flatMap((one) => undocumented(ts, surface, one))];
  return faults.length > 0 ? faults.sort().join("\n") : undefined;
}

/** The exports of all doors. Read from dist/, whose declarations hold what is public, with every type written out. */
function readSurface(ts, doors) {
  const options = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    skipLibCheck: true,
  };
  const program = ts.createProgram(
    doors.map(({ types }) => types),
    options,
  );
  const checker = program.getTypeChecker();
  const resolve = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
  const exports = new Map();
  for (const { name: door, types } of doors) {
    for (const exported of checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(types)))) {
      const symbol = resolve(exported);
      if (!exports.has(symbol)) exports.set(symbol, { door, symbol });
    }
  }
  return { ts, checker, resolve, exports: [...exports.values()], isExported: (symbol) => exports.has(symbol) };
}

const isOurs = (node) => node.getSourceFile().fileName.startsWith(join(repository, "dist"));

/** Where a symbol is declared by us. */
const oursOf = (symbol) => (symbol.declarations ?? []).filter(isOurs);

/** Where something is declared, as people look for it: in src/. */
const placeOf = (node) => relative(repository, node.getSourceFile().fileName).replace(/^dist\/(.*)\.d\.ts$/, "src/$1.ts");

/** Types of ours that a signature names and no door exports. */
function unnamed(surface) {
  const { ts, exports, isExported } = surface;
  const symbols = exports.map(({ symbol }) => symbol);
  return [...reached(surface, symbols)]
    .filter(([symbol]) => symbol.flags & ts.SymbolFlags.Type && !isExported(symbol))
    .map(
      ([symbol, from]) => `${placeOf(oursOf(symbol)[0])} ${symbol.name}: is in the signature of ${from}, and no door exports it`,
    );
}

/** Types that no example shows: they have none, and stand in no signature of what has one. */
function unshown(surface) {
  const { ts } = surface;
  const symbols = surface.exports.map(({ symbol }) => symbol).filter((symbol) => oursOf(symbol).length > 0);
  const hasExample = (symbol) => symbol.getJsDocTags(surface.checker).some(({ name }) => name === "example");
  const shown = reached(surface, symbols.filter(hasExample));
  return symbols
    .filter((symbol) => !shown.has(symbol) && !(symbol.flags & ts.SymbolFlags.Value))
    .map(
      (symbol) =>
        `${placeOf(oursOf(symbol)[0])} ${symbol.name}: has no @example, and is in the signature of nothing that has one`,
    );
}

/** What the declarations of some symbols name of ours, and what that names in turn: each with the first that names it. */
function reached({ ts, checker, resolve }, symbols) {
  const found = new Map();
  const nameIn = (node) => {
    if (ts.isTypeReferenceNode(node)) return node.typeName;
    if (ts.isExpressionWithTypeArguments(node)) return node.expression;
    if (ts.isImportTypeNode(node)) return node.qualifier;
    return ts.isTypeQueryNode(node) ? node.exprName : undefined;
  };
  const walk = (node, from) => {
    const name = nameIn(node);
    const symbol = name && checker.getSymbolAtLocation(name);
    if (symbol) meet(resolve(symbol), from);
    ts.forEachChild(node, (child) => walk(child, from));
  };
  const meet = (symbol, from) => {
    const declarations = oursOf(symbol);
    if (found.has(symbol) || declarations.length === 0 || symbol.flags & ts.SymbolFlags.TypeParameter) return;
    found.set(symbol, from);
    for (const declaration of declarations) walk(declaration, symbol.name);
  };
  for (const symbol of symbols) meet(symbol, symbol.name);
  return found;
}

/** What an export does not say: its sentence, an example, its errors, and what each member is. */
function undocumented(ts, { checker }, { door, symbol }) {
  const declarations = oursOf(symbol);
  if (declarations.length === 0) return [];
  const tagsOf = (one) => one.getJsDocTags(checker);
  const textOf = (one) => ts.displayPartsToString(one.getDocumentationComment(checker));
  const has = (one, tag) => tagsOf(one).some(({ name }) => name === tag);
  const faults = [];
  const fault = (what, say) => faults.push(`${placeOf(declarations[0])} ${what}: ${say}`);
  const isValue = (symbol.flags & ts.SymbolFlags.Value) !== 0;
  if (textOf(symbol) === "") fault(symbol.name, "says not what it is");
  if (isValue && !has(symbol, "example")) fault(symbol.name, "has no @example");
  if (isValue && refuses(ts, declarations[0], symbol.name) && !has(symbol, "throws"))
    fault(symbol.name, "throws, and has no @throws");
  // The plan is data that others read: its types say what it is, and the words of its kinds are those of the declarations.
  if (door.endsWith("/plan")) return faults;
  for (const member of declarations.flatMap((declaration) => membersOf(ts, declaration))) {
    const own = member.name && checker.getSymbolAtLocation(member.name);
    if (!own || own.name === "kind") continue;
    const text = textOf(own);
    const what = `${symbol.name}.${own.name}`;
    if (text === "" && tagsOf(own).length === 0) fault(what, "says not what it is");
    if (isNever(ts, member)) continue;
    if (/Ms$/.test(own.name) && !/milliseconds/.test(text)) fault(what, "names no unit: milliseconds");
    if (/Bytes$/.test(own.name) && !/bytes/i.test(text)) fault(what, "names no unit: bytes");
    if (/Options$/.test(symbol.name) && member.questionToken && !has(own, "default"))
      fault(what, "may be left out, and says no @default");
  }
  return faults;
}

/** Members of an interface or of an object type that is an alias, as they are written there. */
function membersOf(ts, declaration) {
  if (ts.isInterfaceDeclaration(declaration)) return declaration.members;
  if (!ts.isTypeAliasDeclaration(declaration)) return [];
  const parts =
    ts.isUnionTypeNode(declaration.type) || ts.isIntersectionTypeNode(declaration.type)
      ? declaration.type.types
      : [declaration.type];
  return parts.filter(ts.isTypeLiteralNode).flatMap(({ members }) => members);
}

/** A member that is there to say no: nobody gives it. */
const isNever = (ts, { type }) =>
  type !== undefined && (type.kind === ts.SyntaxKind.NeverKeyword || type.getText().startsWith("TypeHint<"));

/** Whether the source of a function throws, or has its options checked. */
function refuses(ts, declaration, name) {
  const path = placeOf(declaration);
  const source = ts.createSourceFile(path, readFileSync(join(repository, path), "utf8"), ts.ScriptTarget.ES2022, true);
  const found = source.statements.find(
    (statement) =>
      (ts.isFunctionDeclaration(statement) && statement.name?.text === name) ||
      (ts.isVariableStatement(statement) && statement.declarationList.declarations.some((one) => one.name.getText() === name)),
  );
  return found !== undefined && /\bthrow new (?!Error)|\bcheckOptions\(|\bcheckName\(/.test(found.getText());
}
