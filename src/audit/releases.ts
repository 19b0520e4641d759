import type { Digest, Leaf, ParsedLeaf } from '../log/index.ts';

/** An entry about evidence with which somebody asked for an owner's secret. */
export type ReleaseLeaf = Leaf<'key-released' | 'key-refused'>;

export function isRelease(parsed: ParsedLeaf): parsed is Readonly<{ known: true; leaf: ReleaseLeaf }> {
  return parsed.known && (parsed.leaf.type === 'key-released' || parsed.leaf.type === 'key-refused');
}

/** An owner's policy, as the entry that registered a secret under it has it. */
export type OwnersPolicy = Readonly<{ digest: Digest; blob: Digest | null }>;
type Secret = Readonly<{ policy: OwnersPolicy; revokedAt: number | null }>;

/** A release is judged right before it is logged; the clocks of service and log are two. */
const SKEW_MS = 60_000;

/** The owners' secrets of a log, by their ids: under which policy each is released, and until when. */
export class Releases {
  readonly #secrets = new Map<string, Secret>();
  readonly #from: number;

  /** @param from index of the first entry it will see */
  constructor(from: number) {
    this.#from = from;
  }

  /** Takes the next entry of any type. */
  apply({ known, leaf }: ParsedLeaf): void {
    if (!known) return;
    if (leaf.type === 'secret-registered') {
      const { body, blobs } = leaf as Leaf<'secret-registered'>;
      const policy = { digest: body.policyDigest, blob: blobs[0] ?? null };
      this.#secrets.set(body.secret, { policy, revokedAt: null });
    }
    if (leaf.type === 'secret-revoked') {
      const { secret } = (leaf as Leaf<'secret-revoked'>).body;
      const registered = this.#secrets.get(secret);
      if (registered !== undefined) this.#secrets.set(secret, { ...registered, revokedAt: leaf.at });
    }
  }

  policyOf({ body }: ReleaseLeaf): OwnersPolicy | undefined {
    return this.#secrets.get(body.secret)?.policy;
  }

  /** What is wrong with a release in the light of the entries before it. */
  problemsOf({ type, body, subject }: ReleaseLeaf): string[] {
    const problems: string[] = [];
    const secret = this.#secrets.get(body.secret);
    if (secret === undefined && this.#from === 0) problems.push('its secret was never registered');
    if (secret !== undefined && secret.policy.digest !== body.policyDigest) {
      problems.push(`judged under ${body.policyDigest}, its owner's policy is ${secret.policy.digest}`);
    }
    if (subject !== `release:${body.secret}`) problems.push('the subject is another secret than the body’s');
    if (type !== 'key-released') return problems;
    if (body.verdict !== 'affirming') problems.push(`released with the verdict ${body.verdict}`);
    if (secret?.revokedAt != null && body.judgedAt > secret.revokedAt + SKEW_MS) {
      problems.push('released after its owner had revoked it');
    }
    return problems;
  }
}
