import type { SnpPolicyCheckName, TdxPolicyCheckName } from '../../attestation/index.ts';
import type { Advice } from './words.ts';

type PolicyCheckName =
  | TdxPolicyCheckName
  | SnpPolicyCheckName
  | 'tee'
  | 'trustAnchor'
  | 'endorsementAnchors'
  | 'tcbMinimum'
  | 'cloudProvider';

/** What each check of a policy is about, in people's words; in an answer it is called `policy.NAME`. */
const WORDS: Readonly<Record<PolicyCheckName, string>> = {
  tee: 'kind of TEE',
  trustAnchor: 'root that vouches',
  endorsementAnchors: 'roots behind the collateral',
  image: 'measurements are those of an accepted image',
  debugOff: 'no debugging',
  platform: 'machine',
  tcbStatus: 'TCB status',
  tcbEvaluationNumber: 'age of the TCB levels',
  advisories: 'no denied advisory',
  septVeDisable: 'SEPT_VE_DISABLE',
  serviceTd: 'no service TD',
  tdAttributes: 'attributes of the TD',
  xfam: 'extended features',
  tdxModule: 'TDX module',
  hostConfiguration: 'configuration of the host',
  noMigrationAgent: 'no migration agent',
  guestPolicy: "guest's launch policy",
  vmpl: 'privilege level (VMPL)',
  guestSvn: 'security version of the guest',
  platformInfo: 'settings of the host',
  aliasCheck: 'memory aliasing (BadRAM) ruled out',
  productLine: 'product line',
  firmware: 'firmware version',
  provisionalFirmware: 'firmware that cannot be rolled back',
  mitigations: 'mitigations in place',
  tcbMinimum: 'least TCB',
  cloudProvider: 'cloud provider',
};

export const WORDS_OF_POLICY_CHECK: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(WORDS).map(([name, words]) => [`policy.${name}`, `policy: ${words}`]),
);

export const isPolicyCheck = (name: string) => name.startsWith('policy.');

export const ADVICE_OF_POLICY: Advice = {
  means: 'No check of genuineness failed, but what the evidence says is not what this policy accepts.',
  todo: "Don't use this worker under this policy. If you run it: change what the failed lines name. If it should be accepted: change the policy, and raise its number.",
};
