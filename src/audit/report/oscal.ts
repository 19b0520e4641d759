import { sha256 } from '#crypto';
import { toHex, utf8 } from '../../core/index.ts';
import type { AuditCheck } from '../checks.ts';
import type { AuditReport } from '../verify.ts';
import { PACKS } from './packs.ts';

/** A name-based UUID (RFC 9562, version 8 over SHA-256): the same report gives the same document. */
function uuid(report: AuditReport, name: string): string {
  const hex = toHex(sha256(utf8(`${report.root}\n${report.manifestSha256}\n${name}`)));
  const variant = ((Number.parseInt(hex[16] as string, 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const words = (check: AuditCheck) =>
  [`${check.id} ${check.outcome}: ${check.title} (${check.looked} looked at)`, ...check.problems, ...check.notes].join(
    '\n',
  );

/**
 * OSCAL 1.1 assessment results: an observation for each check; a finding for each control of NIST 800-53 whose checks
 * failed. OSCAL knows "satisfied" and "not-satisfied" alone, so nothing is called satisfied here.
 * @param at RFC 3339, when the report was made
 */
export function oscalResults(report: AuditReport, at: string): object {
  const observations = report.checks.map((check) => ({
    uuid: uuid(report, check.id),
    title: check.title,
    description: words(check),
    methods: ['EXAMINE'],
    types: ['finding'],
    collected: at,
  }));
  const failed = (id: string) => report.checks.find((check) => check.id === id)?.outcome === 'failed';
  const pack = PACKS.find(({ name }) => name === 'nist-800-53-au');
  const findings = (pack?.controls ?? [])
    .filter(({ checks }) => checks.some(failed))
    .map(({ id, asks, checks }) => ({
      uuid: uuid(report, `control ${id}`),
      title: `${id}: ${asks}`,
      description: `Failed: ${checks.filter(failed).join(', ')}`,
      target: { type: 'objective-id', 'target-id': id.toLowerCase(), status: { state: 'not-satisfied' } },
      'related-observations': checks.map((check) => ({ 'observation-uuid': uuid(report, check) })),
    }));
  return {
    'assessment-results': {
      uuid: uuid(report, 'results'),
      metadata: {
        title: `Audit of the transparency log ${report.origin}, entries ${report.from} to ${report.to}`,
        'last-modified': at,
        version: report.manifestSha256.slice(0, 16),
        'oscal-version': '1.1.3',
        remarks: 'Machine checks of a log bundle. They support an assessor’s judgement and are none themselves.',
      },
      'import-ap': { href: '#no-assessment-plan', remarks: 'no assessment plan was given' },
      results: [
        {
          uuid: uuid(report, 'result'),
          title: `verdict: ${report.verdict}`,
          description: `manifest SHA-256 ${report.manifestSha256}, root ${report.root}`,
          start: at,
          'reviewed-controls': { 'control-selections': [{ 'include-all': {} }] },
          observations,
          ...(findings.length === 0 ? {} : { findings }),
        },
      ],
    },
  };
}
