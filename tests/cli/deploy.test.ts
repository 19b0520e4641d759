import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { createProgram } from '../../src/cli/main.ts';

const DEPLOY = resolve(import.meta.dirname, '../../scripts/deploy');
const filesIn = (folder: string) => readdirSync(join(DEPLOY, folder)).map((name) => join(DEPLOY, folder, name));
const MAIN = '/opt/chrysalis/src/cli/main.ts';

/** What follows the program on a command line is one of its commands, with options that it has and that have values. */
function requireKnown(words: readonly string[]): void {
  let command: Command = createProgram();
  let at = 0;
  for (; at < words.length && !words[at]?.startsWith('--'); at++) {
    const next = command.commands.find((one) => one.name() === words[at]);
    expect(next, `a command ${words[at]}`).toBeDefined();
    command = next as Command;
  }
  const given = new Set<string>();
  while (at < words.length) {
    const [name = '', value] = (words[at++] as string).split(/=(.*)/s);
    const option = command.options.find(({ long }) => long === name);
    expect(option, `${command.name()} ${name}`).toBeDefined();
    expect(name).not.toContain('dangerously');
    given.add(name);
    if (option?.required === true) expect(value ?? words[at++], name).toBeTruthy();
  }
  for (const { long, mandatory } of command.options) if (mandatory) expect([...given]).toContain(long);
}

type Container = {
  name: string;
  image: string;
  command: string[];
  args?: string[];
  ports?: { name: string; containerPort: number }[];
  volumeMounts?: { name: string }[];
  securityContext?: { readOnlyRootFilesystem?: boolean; allowPrivilegeEscalation?: boolean };
};
type Manifest = {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  spec: {
    selector: Record<string, string> & { matchLabels?: Record<string, string> };
    serviceName?: string;
    ports?: { targetPort: string }[];
    template?: {
      metadata: { labels: Record<string, string> };
      spec: { containers: Container[]; initContainers?: Container[]; volumes?: { name: string }[] };
    };
    volumeClaimTemplates?: { metadata: { name: string } }[];
  };
};

function manifests(path: string): Manifest[] {
  const documents = parseAllDocuments(readFileSync(path, 'utf8'), { strict: true, uniqueKeys: true });
  for (const { errors, warnings } of documents) expect([...errors, ...warnings]).toEqual([]);
  return documents.map((document) => document.toJS() as Manifest);
}

describe.each(filesIn('kubernetes'))('%s', (path) => {
  const all = manifests(path);
  const workloads = all.filter(({ spec }) => spec.template !== undefined);

  test('what it starts is a command that exists, with its options, and may write nowhere but to its volumes', () => {
    expect(workloads).toHaveLength(1);
    for (const { spec } of workloads) {
      const { containers, initContainers = [], volumes = [] } = spec.template?.spec ?? { containers: [] };
      const places = [...volumes, ...(spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata)];
      const ours = [...initContainers, ...containers].filter(({ image }) => image.startsWith('chrysalis:'));
      expect(ours.length).toBeGreaterThan(0);
      for (const { command, args = [], volumeMounts = [], securityContext } of ours) {
        if (command[0] === 'node') {
          expect(command[1]).toBe(MAIN);
          requireKnown([...command.slice(2), ...args]);
        }
        for (const { name } of volumeMounts) expect(places.map((place) => place.name)).toContain(name);
        expect(securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
      }
    }
  });

  test('selectors, services and ports lead to its pods', () => {
    for (const { apiVersion, kind, metadata, spec } of all) {
      expect(apiVersion && kind && metadata.name).toBeTruthy();
      const labels = workloads[0]?.spec.template?.metadata.labels;
      expect(labels).toMatchObject(spec.selector.matchLabels ?? spec.selector);
      const ports = workloads.flatMap((one) => one.spec.template?.spec.containers.flatMap((c) => c.ports ?? []) ?? []);
      for (const { targetPort } of spec.ports ?? []) expect(ports.map(({ name }) => name)).toContain(targetPort);
    }
  });
});

test.each(filesIn('systemd'))('%s starts a command that exists, confined, and again when it ends', (path) => {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) expect(line).toMatch(/^(\[\w+\]|[A-Za-z]+=.*)$/);
  const value = (key: string) => lines.find((line) => line.startsWith(`${key}=`))?.slice(key.length + 1);
  const [node, main, ...words] = (value('ExecStart') ?? '').split(' ');
  expect([node, main]).toEqual(['/usr/bin/node', MAIN]);
  requireKnown(words);
  expect(value('Restart')).toBe('always');
  expect(value('DynamicUser')).toBe('yes');
  expect(value('ProtectSystem')).toBe('strict');
});
