import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const FOLDER = join(import.meta.dirname, 'model');
const LIMIT_MS = 120_000;
const SEARCH = /^search\b[^:]* in ([A-Z0-9-]+) :/;

/** Why the model is not searched here, or null; with CHRYSALIS_REQUIRE_MAUDE that is a failure. */
function whyNot(): string | null {
  if (spawnSync('maude', ['--version']).status === 0) return null;
  if (process.env.CHRYSALIS_REQUIRE_MAUDE === '1') throw new Error('no maude on this machine');
  return 'needs maude (apt-get install maude)';
}

const WHY_NOT = whyNot();
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.maude'));
const searchesIn = (text: string): string[] => text.split('\n').flatMap((line) => SEARCH.exec(line)?.[1] ?? []);

/** What each search of a file found, by its module, as Maude prints it. */
function found(name: string): { module: string; isReached: boolean }[] {
  const run = spawnSync('maude', ['-no-banner', '-batch', '-no-advise', '-no-wrap', name], {
    cwd: FOLDER,
    env: { ...process.env, PWD: FOLDER }, // where it looks for files
    encoding: 'utf8',
    input: '',
    timeout: LIMIT_MS,
  });
  // Warnings are of rules that were not taken: nothing that follows them says anything.
  expect({ status: run.status, said: run.stderr }).toEqual({ status: 0, said: '' });
  return run.stdout.split(/^=+$/m).flatMap((block) => {
    const module = SEARCH.exec(block.trim())?.[1];
    if (module === undefined) return [];
    const isReached = /^Solution 1 /m.test(block);
    if (isReached === /^No solution\.$/m.test(block)) throw new Error(`${module}: no answer`);
    return [{ module, isReached }];
  });
}

describe.skipIf(WHY_NOT !== null)(
  `the session protocol, searched by a machine${WHY_NOT ? ` (${WHY_NOT})` : ''}`,
  () => {
    test('there is a model', () => expect(files).not.toEqual([]));

    for (const name of files) {
      const modules = searchesIn(readFileSync(join(FOLDER, name), 'utf8'));
      if (modules.length === 0) continue; // terms that others load

      test(
        `${name}: no attack is reached, each is without its protection, and honest runs are`,
        () => {
          const answers = found(name);
          expect(answers.map(({ module }) => module)).toEqual(modules);
          const wrong = answers.filter(({ module, isReached }) => isReached === module.startsWith('LEMMA-'));
          expect(wrong).toEqual([]);
          expect(modules.filter((module) => !/^(LEMMA|ATTACK|REACH)-/.test(module))).toEqual([]);
        },
        LIMIT_MS,
      );

      test(`${name}: each lemma has an attack that is found without a protection, and a run that is possible`, () => {
        // Variants of a lemma, under other suppositions, have its name first.
        const subjects = (kind: RegExp) =>
          new Set(modules.filter((module) => kind.test(module)).map((module) => module.split('-')[1]));
        expect(subjects(/^LEMMA-/)).not.toEqual(new Set());
        expect(subjects(/^ATTACK-.*-WITHOUT-/)).toEqual(subjects(/^LEMMA-/));
        expect(subjects(/^REACH-/)).toEqual(subjects(/^LEMMA-/));
      });
    }
  },
);
