import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** How many casts src/ may hold: `x as T`, and among them `x as U as T`. Where one has gone, lower the number. */
const most = { casts: 174, double: 8 };

/** What is wrong with the casts under src/, by places; undefined when there are no more than there may be. */
export function castsFault(root) {
  const places = readdirSync(join(root, "src"), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => castsIn(`src/${name}`, readFileSync(join(root, "src", name), "utf8")));
  const double = places.filter(({ isDouble }) => isDouble);
  const say = (what, found, limit) =>
    `src/ holds ${found.length} ${what}, and ${limit} are the most: say the type where the value comes from. They are in\n${found
      .map(({ where }) => `  ${where}`)
      .join("\n")}`;
  if (double.length > most.double) return say("double casts (x as U as T)", double, most.double);
  if (places.length > most.casts) return say("casts (x as T)", places, most.casts);
  return undefined;
}

function castsIn(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found = [];
  const visit = (node) => {
    if (ts.isAsExpression(node) && node.type.getText() !== "const") {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      found.push({ where: `${file}:${line + 1}`, isDouble: ts.isAsExpression(node.expression) });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
