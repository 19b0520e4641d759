import { expect, test } from 'vitest';
import { ed25519Key } from '#crypto';
import { encodeApprovals, loadPolicy, policyDigest, signApproval } from '../../src/attestation/index.ts';
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
type Index = number | null;
/** @param effective what was signed, and what the entry says */
export const approved =
  (
    by: readonly (readonly [who: typeof alice, as?: typeof alice])[],
    effective: Readonly<{ signed: Index; logged: Index }> = { signed: null, logged: null },
  ) =>
  async (made: Scene) => {
    const policy = loadPolicy(productionText);
    const digest = policyDigest(policy);
    const statement = { policyDigest: digest, number: policy.number, effectiveFromIndex: effective.signed };
    const signatures = await Promise.all(
      by.map(async ([key, as = key], place) => {
        const role = place === 0 ? 'author' : 'approver';
        const [own, claimed] = [await signApproval(key, role, statement), await signApproval(as, role, statement)];
        return { ...claimed, signature: own.signature };
      }),
    );
    const blob = made.blob(encodeApprovals({ statement, signatures }));
    await made.publish(
      productionText,
      { approvals: blob, replaces: digestOfPolicy(developmentText), effectiveFromIndex: effective.logged },
      [blob],
    );
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
