import type { Policy } from '../../attestation/index.ts';
import { counted } from '../output.ts';

const count = (list: 'any' | readonly unknown[], what: string) =>
  list === 'any'
    ? `any ${what}`
    : list.length === 0
      ? `no ${what}`
      : `${list.length} ${what}${list.length === 1 ? '' : 's'} by name`;

/** What a policy accepts, each matter in words. */
export function explained(policy: Policy): [matter: string, words: string][] {
  const { tdx, sevSnp, gpu, freshness, session } = policy;
  const lines = Object.entries(sevSnp.lines).flatMap(([line, rule]) => (rule === null ? [] : [line]));
  const rows: [string, string][] = [
    ['policy', `${policy.id} #${policy.number}, for ${policy.environment}`],
    ['vendors', policy.simulated === 'accept' ? 'pinned ones, and SIMULATED ones' : 'pinned ones alone'],
    ['CPU evidence', policy.tees.join(', ') || 'none: nothing is accepted'],
    ['models', count(policy.models, 'model')],
  ];
  if (policy.tees.includes('tdx')) {
    rows.push(
      ['TDX images', count(tdx.images, 'image')],
      [
        'TDX TCB',
        `${tdx.tcbStatuses.join(', ') || 'none'}, from TCB evaluation number ${tdx.tcbEvaluationDataNumberMin} on`,
      ],
      ['TDX platforms', count(tdx.platforms, 'platform')],
    );
  }
  if (policy.tees.includes('sev-snp')) {
    rows.push(
      ['SNP images', count(sevSnp.images, 'image')],
      ['SNP product lines', lines.join(', ') || 'none'],
      ['SNP chips', count(sevSnp.chips, 'chip')],
    );
  }
  const floors = Object.entries(gpu.architectures).flatMap(([name, rule]) =>
    rule === null ? [] : [`${name} from driver ${rule.driverMin}, VBIOS ${rule.vbiosMin} on`],
  );
  rows.push(
    [
      'GPU evidence',
      gpu.evidence === 'required'
        ? `required, ${gpu.gpusMin} to ${gpu.gpusMax} GPUs`
        : 'not required; judged where there is some',
    ],
    ['GPUs', floors.join('; ') || 'none'],
    ['GPU modes', gpu.modes.join(', ') || 'none'],
    ['GPU revocation', gpu.revocation === 'require' ? 'must be known' : 'judged where it is known'],
    ['GPU devices', count(gpu.devices, 'device')],
    ['age of evidence', `at most ${freshness.evidenceAgeSecondsMax} s`],
    [
      'sessions',
      `mode ${session.leastMode} or fresher, at most ${counted(session.candidatesMax, 'worker')} may read a request`,
    ],
  );
  for (const { name, acceptedUntil } of [...tdx.images, ...sevSnp.images]) {
    if (acceptedUntil !== undefined) rows.push([`image ${name}`, `accepted until ${acceptedUntil}`]);
  }
  for (const { name, expression } of policy.rules) rows.push([`rule ${name}`, expression]);
  return rows;
}

const HOUR_SECONDS = 3_600;

/** What a policy leaves open that a person may not have meant to; for development, that it is for development. */
export function lenient(policy: Policy): string[] {
  const notes: string[] = [];
  const { tdx, sevSnp, gpu, freshness, session } = policy;
  const open = (isOpen: boolean, note: string) => {
    if (isOpen) notes.push(note);
  };
  open(policy.environment === 'development', 'it is for development: it may not protect anybody');
  open(policy.simulated === 'accept', 'it accepts simulated vendors, whose evidence proves nothing');
  open(policy.tees.includes('tdx') && tdx.images.length === 0, 'it names no TDX image, so it accepts no TDX worker');
  open(
    policy.tees.includes('sev-snp') && sevSnp.images.length === 0,
    'it names no SNP image, so it accepts no SNP worker',
  );
  open(policy.models !== 'any' && policy.models.length === 0, 'it names no model, so it accepts no worker');
  open(policy.models === 'any', 'any model may be served');
  const beyond = tdx.tcbStatuses.filter((status) => status !== 'UpToDate');
  open(policy.tees.includes('tdx') && beyond.length > 0, `TDX platforms that are ${beyond.join(', ')} are accepted`);
  open(gpu.evidence === 'not-required', 'a worker without GPU evidence is accepted');
  open(gpu.revocation === 'prefer', 'GPUs about whose revocation nothing is known are accepted');
  open(gpu.modes.includes('unstated'), 'GPUs that do not say their mode are accepted (drivers before 580)');
  open(gpu.evidence === 'required' && gpu.devices === 'any', 'any genuine GPU is accepted, whoever has it');
  open(freshness.evidenceAgeSecondsMax > HOUR_SECONDS, `evidence may be ${freshness.evidenceAgeSecondsMax} s old`);
  open(freshness.beaconBlock === 'when-known', "the beacon's block need not be found on the chain");
  open(session.leastMode === 0, 'sessions without a live proof are accepted (mode 0)');
  open(session.candidatesMax > 1, `${session.candidatesMax} workers may be able to read one request`);
  return notes;
}
