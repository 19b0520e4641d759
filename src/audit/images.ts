import { loadPolicy, policyImages } from '../attestation/index.ts';
import { asCodedError, canonicalJson, type Json } from '../core/index.ts';
import type { Leaf } from '../log/index.ts';
import type { Tally } from './checks.ts';
import type { EntriesInput } from './entries.ts';
import type { PolicyState } from './history.ts';

type ImageLeaf = Leaf<'image-registered'>;

/**
 * V12: an image is one that a published policy names, with the very measurements (so whoever approved the policy
 * approved it), or its registration is signed by a key that the auditor brought.
 */
export class RegisteredImages {
  readonly #input: EntriesInput;
  readonly #tally: Tally;
  readonly #textOf: (policy: PolicyState) => Promise<string>;

  constructor(input: EntriesInput, tally: Tally, textOf: (policy: PolicyState) => Promise<string>) {
    this.#input = input;
    this.#tally = tally;
    this.#textOf = textOf;
  }

  /** @param policy the one that the entry names, where it was published before */
  async entry(index: number, leaf: ImageLeaf, policy: PolicyState | undefined): Promise<void> {
    if (leaf.body.policyDigest === undefined) this.#signed(index, leaf);
    else if (policy !== undefined) await this.#named(index, leaf, policy);
    else if (this.#input.manifest.from > 0)
      this.#tally.skip(`entry ${index}: its policy was published before this bundle`);
    else this.#tally.fail(`entry ${index}: it names a policy that was not published before it`);
  }

  async #named(index: number, { body }: ImageLeaf, policy: PolicyState): Promise<void> {
    try {
      const named = policyImages(loadPolicy(await this.#textOf(policy))).some(
        ({ name, version, measurements }) =>
          name === body.name &&
          version === body.version &&
          canonicalJson(measurements) === canonicalJson(body.measurements as Json),
      );
      this.#tally.require(named, `entry ${index}: policy ${policy.number} names no such image`);
    } catch (thrown) {
      this.#tally.skip(`entry ${index}: ${asCodedError(thrown).message}`);
    }
  }

  #signed(index: number, { sig }: ImageLeaf): void {
    const { signers } = this.#input.trust;
    if (signers === null) {
      this.#tally.skip('no registrars’ keys were brought: who registered the images is not checked');
      return;
    }
    this.#tally.require(
      sig.some(({ key }) => signers.has(key)),
      `entry ${index}: the image is signed by nobody who may register it`,
    );
    this.#tally.skip('build provenance (sigstore bundles) is not verified by this version');
  }
}
