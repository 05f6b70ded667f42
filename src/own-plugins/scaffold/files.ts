import type { Template } from './templates.ts';

/** Files of a new plugin by name, and the lines that a configuration needs. */
export interface Scaffold {
  readonly files: ReadonlyMap<string, string>;
  readonly yaml: string;
}

/**
 * A plugin of type `name` (kebab case), its test, and its YAML. `resolver`: URL of the file that makes
 * `endpoint-picker/…` known to a program other than this one.
 */
export function scaffold(name: string, template: Template, resolver: string): Scaffold {
  const files = new Map([
    [`${name}.ts`, pluginText(name, template)],
    [`${name}.test.ts`, testText(name, template, resolver)],
  ]);
  return { files, yaml: yamlText(name, template) };
}

function pluginText(name: string, template: Template): string {
  const { define, contract, types, values, parameter, summary, code } = template;
  const className = classNameOf(name, template);
  const usesContext = types.includes('PluginContext');
  const imports = [define, ...values, 'z', ...[contract, ...types].map((type) => `type ${type}`)];
  const key = `
/** Where other plugins find it: request.attributes.get(IS_LONG). */
export const IS_LONG = attributeKey<boolean>('IsLong', '${name}');
`;
  return `import {
${imports
  .toSorted(byName)
  .map((one) => `  ${one},\n`)
  .join('')}} from 'endpoint-picker/plugin';

const params = z.strictObject({
  ${parameter.name}: ${parameter.declaration},
});
${values.includes('attributeKey') ? key : ''}
/** ${summary} */
class ${className} implements ${contract} {
  readonly #${parameter.name}: ${typeOf(parameter.declaration)};
${usesContext ? '  readonly #context: PluginContext;\n' : ''}
  constructor({ ${parameter.name} }: z.infer<typeof params>${usesContext ? ', context: PluginContext' : ''}) {
    this.#${parameter.name} = ${parameter.name};
${usesContext ? '    this.#context = context;\n' : ''}  }

${indented(code)}
}

export const ${constantOf(name, template)} = ${define}({
  type: '${name}',
  stability: 'alpha',
  summary: '${summary}',
  params,
  create: (given${usesContext ? ', context' : ''}) => new ${className}(given${usesContext ? ', context' : ''}),
});
`;
}

function testText(name: string, template: Template, resolver: string): string {
  const { testValues, testName, test, values } = template;
  const constant = constantOf(name, template);
  const own = [...(values.includes('attributeKey') ? ['IS_LONG'] : []), `${constant}: plugin`];
  return `import assert from 'node:assert/strict';
import { test } from 'node:test';
// Says where endpoint-picker/plugin is. Drop this line where the package endpoint-picker is installed.
import '${resolver}';

// Imported when they run: by then the line above is in effect.
const testing = import('endpoint-picker/testing');
const own = import('./${name}.ts');

test('${testName}', async () => {
  const { ${testValues.join(', ')} } = await testing;
  const { ${own.join(', ')} } = await own;
${indented(test)}
});

test('it keeps the contract of its kind', async () => {
  const { assertContract } = await testing;
  const { ${constant}: plugin } = await own;
  await assertContract(plugin);
});
`;
}

function yamlText(name: string, { parameter, isInProfile }: Template): string {
  const plugin = `plugins:
- type: ${name}
  module: ./${name}.ts
  parameters:
    ${parameter.name}: ${parameter.value}
`;
  if (!isInProfile) return plugin;
  return `${plugin}schedulingProfiles:
- name: default
  plugins:
  - pluginRef: ${name}
`;
}

/** `my-scorer` → `MyScorer`; another where an imported type has that name. */
function classNameOf(name: string, { contract, types }: Template): string {
  const pascal = camel(name).replace(/^./, (letter) => letter.toUpperCase());
  return [contract, ...types].includes(pascal) ? `Own${pascal}` : pascal;
}

/** `my-scorer` → `myScorer`; another where an imported value has that name. */
function constantOf(name: string, { define, values, testValues }: Template): string {
  const plain = camel(name);
  return [define, ...values, ...testValues, 'assertContract'].includes(plain) ? `${plain}Plugin` : plain;
}

function camel(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function typeOf(declaration: string): string {
  return declaration.startsWith('z.string') ? 'string' : 'number';
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

/** Names without `type`, upper case first as in any sorted import. */
function byName(a: string, b: string): number {
  const [nameA, nameB] = [a.replace('type ', ''), b.replace('type ', '')];
  return nameA < nameB ? -1 : 1;
}
