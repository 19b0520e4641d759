/** The README's commands and code are run, or at least known to exist, so that they can't rot. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAdaptorServer } from '@hono/node-server';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from '../src/cli/main.ts';
import { createGateway } from '../src/client/gateway/index.ts';
import { scriptedClient } from './gateway/scripted-client.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const blocks = [...readme.matchAll(/^```(\w+)( run)?\n([\s\S]*?)^```$/gm)].map(([, language, run, text]) => ({
  language,
  run: run !== undefined,
  text: text ?? '',
}));
const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  scripts: Record<string, string>;
};

/** Without comments and redirections: the single commands of a shell block. */
const commands = blocks
  .filter((block) => block.language === 'sh')
  .flatMap((block) => block.text.split(/\n|&&|\|/))
  .map((line) =>
    line
      .replace(/\s+#.*$/, '')
      .replace(/\s+[<>]\s*\S+/g, '')
      .trim(),
  )
  .filter((line) => line !== '');

/** Follows a command line through the program; answers what of it is unknown. */
function unknownOf(words: readonly string[]): readonly string[] {
  let command: Command = createProgram();
  let rest = [...words];
  while (rest[0] !== undefined) {
    const found = command.commands.find((one) => one.name() === rest[0]);
    if (found === undefined) break;
    command = found;
    rest = rest.slice(1);
  }
  if (command.parent === null) return words;
  const { unknown, operands } = command.parseOptions(rest.filter((word) => word !== '--help'));
  return [...unknown, ...operands.slice(command.registeredArguments.length)];
}

test('the two commands for a fresh machine come first', () => {
  const first = blocks.filter((block) => block.language === 'sh').slice(0, 2);
  expect(first.map((block) => block.text.trim())).toEqual(['npm ci && npm start', 'npm ci && npm test']);
});

test.each(commands)('%s is a command that exists', (line) => {
  const [program, ...words] = line.split(/\s+/);
  if (program === 'npm') {
    const [verb, script = ''] = words;
    if (verb === 'ci') return;
    expect(Object.keys(scripts)).toContain(verb === 'run' ? script : verb);
  } else if (program === 'npx') {
    expect(words[0]).toBe('chrysalis');
    expect(unknownOf(words.slice(1))).toEqual([]);
  } else expect(program).toBe('echo');
});

test('a command or an option that does not exist is noticed', () => {
  expect(unknownOf(['levitate'])).not.toEqual([]);
  expect(unknownOf(['up', '--sideways'])).not.toEqual([]);
});

test('every command of the program has help with an example, and --help exits 0', () => {
  const leaves = (command: Command): Command[] =>
    command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
  for (const command of leaves(createProgram())) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    expect(() => command.parse(['--help'], { from: 'user' })).toThrow(expect.objectContaining({ exitCode: 0 }));
    expect([command.name(), help]).toEqual([command.name(), expect.stringContaining('npx chrysalis')]);
  }
});

test('the example that is marked to run answers what the text says', () => {
  const block = blocks.find((one) => one.run);
  const path = `${dirname(process.execPath)}:${root}node_modules/.bin:${process.env.PATH}`;
  const ran = spawnSync('bash', ['-c', block?.text ?? ''], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
  });
  expect(ran.status).toBe(0);
  const answer = JSON.parse(ran.stdout);
  expect(answer).toMatchObject({ id: 'a', verdict: 'refused' });
  expect(answer.error.code).toMatch(/^EVIDENCE_/);
});

test('the OpenAI example runs against the gateway', async () => {
  const { client } = scriptedClient();
  const deps = { client, now: () => 0, randomId: () => 'x', version: '0', policy: 'p', simulated: true };
  const server = createAdaptorServer({ fetch: createGateway(deps).fetch });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const code = blocks.find((block) => block.language === 'js')?.text.replace('127.0.0.1:8080', `127.0.0.1:${port}`);
  const { spawn } = await import('node:child_process');
  const child = spawn(process.execPath, ['--input-type=module', '-'], { cwd: root });
  child.stdin.end(code);
  let out = '';
  child.stdout.on('data', (piece) => (out += piece));
  child.stderr.on('data', (piece) => (out += piece));
  await once(child, 'close');
  server.close();
  expect(out).toContain('The sea was calm.');
  expect(out).toMatch(/verified worker [0-9a-f]{64}\nreceipt r_[0-9a-f]{16}/);
});
