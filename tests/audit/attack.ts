import { expect, test } from 'vitest';
import { ed25519Key, ed25519Sign } from '#crypto';
import { approvalMessage, encodeApprovals, loadPolicy, policyDigest } from '../../src/attestation/index.ts';
import { type Bytes, toHex } from '../../src/core/index.ts';
import { encodeBundle, parseBundle } from '../../src/log/index.ts';
import { fill, productionText } from '../attestation/appraise/scene.ts';
import { developmentText, honest, problemsOf, repack, Scene } from './scene.ts';

/** One way to lie to an auditor. @property finds checks that must fail @property rules rules that must find something */
export type Attack = Readonly<{
  what: string;
  bundle: () => Promise<Bytes>;
  finds: readonly string[];
  rules?: readonly string[];
  trust?: Parameters<typeof problemsOf>[1];
  /** Findings that are for a person to look at fail no check. */
  verdict?: 'verified' | 'incomplete';
}>;

export const flip = (bytes: Bytes, at = bytes.length >> 1): Bytes => {
  const out = Uint8Array.from(bytes);
  out[at] = (out[at] as number) ^ 1;
  return out;
};
export const edit =
  (path: string | RegExp, change: (bytes: Bytes) => Bytes | null, withManifest = true) =>
  async () =>
    repack(
      await (await honest()).bundle(),
      (files) => {
        const name = [...files.keys()].find((one) => (typeof path === 'string' ? one === path : path.test(one)));
        if (name === undefined) throw new Error(`no ${String(path)} in the bundle`);
        const changed = change(files.get(name) as Bytes);
        if (changed === null) files.delete(name);
        else files.set(name, changed);
      },
      withManifest,
    );
/** A scene that goes on after an honest beginning, then checkpointed and exported. */
export const scene =
  (go: (scene: Scene) => Promise<unknown>, start: () => Promise<Scene> = begun) =>
  async () => {
    const made = await start();
    await go(made);
    await made.checkpoint();
    return made.bundle();
  };
export async function begun(): Promise<Scene> {
  const made = new Scene();
  await made.open();
  await made.publish();
  await made.checkpoint();
  return made;
}
export const BUNDLE = /^log\/tile\/entries\//;
export const swapped = (bytes: Bytes) => {
  const entries = parseBundle(bytes);
  return encodeBundle([entries[1]!, entries[0]!, ...entries.slice(2)]);
};
export const other = ed25519Key(fill(99, 32));
export const alice = ed25519Key(fill(31, 32));
export const bob = ed25519Key(fill(32, 32));
export const people = new Map([
  ['alice', alice.publicKey],
  ['bob', bob.publicKey],
]);
export const approved = (by: readonly (readonly [string, typeof alice])[]) => async (made: Scene) => {
  const policy = loadPolicy(productionText);
  const digest = policyDigest(policy);
  const approvals = await Promise.all(
    by.map(async ([name, key], place) => {
      const role = place === 0 ? 'author' : 'approver';
      const signature = await ed25519Sign(key, approvalMessage(digest, policy.number, role));
      return { name, role, signature } as const;
    }),
  );
  const blob = made.blob(encodeApprovals(approvals));
  await made.publish(productionText, { approvals: blob, replaces: digestOfPolicy(developmentText) }, [blob]);
};
export const weaker = JSON.stringify({
  ...JSON.parse(developmentText),
  number: 2,
  tdx: { ...JSON.parse(developmentText).tdx, tcbStatuses: ['UpToDate', 'OutOfDate'] },
});
export const digestOfPolicy = (text: string) => `sha256:${toHex(policyDigest(loadPolicy(text)))}`;
export const worker = `sha256:${'ab'.repeat(32)}`;
export const evicted = { workerKey: worker, cause: 'operator', by: 'test', sessionsClosed: 0 };

/** Each lie is found, and named; what a person must look at fails no check. */
export function testAttacks(attacks: readonly Attack[]): void {
  for (const { what, bundle, finds, rules = [], trust, verdict } of attacks) {
    test(what, async () => {
      const found = await problemsOf(await bundle(), trust);
      expect(found.failed).toEqual(expect.arrayContaining([...finds]));
      expect(found.rules).toEqual(expect.arrayContaining([...rules]));
      expect(found.verdict).toBe(verdict ?? 'refused');
      if (verdict !== undefined) expect(found.failed).toEqual([]);
    });
  }
}
