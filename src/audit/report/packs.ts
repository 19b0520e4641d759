import type { CheckId } from '../checks.ts';

/** One requirement of a regime, and which checks speak to it. */
export type Control = Readonly<{ id: string; asks: string; checks: readonly CheckId[]; notShown: string }>;
export type PackName = 'nist-800-53-au' | 'hipaa' | 'soc2' | 'dora' | 'ai-act' | 'gdpr';
export type Pack = Readonly<{ name: PackName; title: string; controls: readonly Control[] }>;

const control = (id: string, asks: string, checks: readonly CheckId[], notShown: string): Control => ({
  id,
  asks,
  checks,
  notShown,
});

const POPULATION = 'nothing that the operator never wrote into the log';

/**
 * What the checks say about requirements auditors ask for. They are evidence for an auditor's judgement, never a
 * statement of compliance; each control says what is not shown. Read the text of the law before quoting it.
 */
export const PACKS: readonly Pack[] = [
  {
    name: 'nist-800-53-au',
    title: 'NIST SP 800-53 r5, audit and accountability',
    controls: [
      control(
        'AU-3',
        'what, when, where, source, outcome of each event',
        ['V6', 'V7'],
        'who used a worker: no identities are logged',
      ),
      control('AU-5', 'a failure of logging is noticed', ['V17'], 'whether somebody was alerted'),
      control('AU-8', 'time stamps in UTC', ['V7', 'V16'], 'how the log’s own clock is kept'),
      control('AU-9(3)', 'cryptographic protection of audit information', ['V2', 'V4', 'V5', 'V8'], POPULATION),
      control('AU-10', 'irrefutable evidence of an action', ['V2', 'V11'], 'who operated the router'),
      control('AU-11', 'retention', ['V8'], 'whether the period fits the organisation’s rules'),
    ],
  },
  {
    name: 'hipaa',
    title: 'HIPAA Security Rule, 45 CFR 164.312 and 164.316',
    controls: [
      control('164.312(b)', 'record and examine activity', ['V4', 'V6', 'V18'], 'activity inside other systems'),
      control('164.312(c)(1)', 'integrity', ['V1', 'V4', 'V8'], 'integrity of records that are not in the log'),
      control(
        '164.316(b)(2)',
        'documentation is kept for six years',
        ['V8'],
        'what happens after this bundle was made',
      ),
    ],
  },
  {
    name: 'soc2',
    title: 'SOC 2, common criteria',
    controls: [
      control('CC4.1', 'populations are complete and accurate', ['V4', 'V5'], POPULATION),
      control('CC6.1', 'access only for what was authorised', ['V10', 'V11'], 'access to hosts outside the enclaves'),
      control('CC7.2', 'anomalies are found', ['V17', 'V18'], 'how people acted on them'),
      control('CC8.1', 'changes are authorised', ['V10', 'V12'], 'approvals outside the log'),
    ],
  },
  {
    name: 'dora',
    title: 'EU DORA, RTS (EU) 2024/1774 article 12',
    controls: [
      control(
        'Art. 12(2)(c)',
        'logs are protected against tampering and deletion',
        ['V2', 'V4', 'V5', 'V8'],
        'protection of other logs',
      ),
      control('Art. 12(2)(d)', 'failures of logging are detected', ['V17'], 'whether somebody was alerted'),
      control('Art. 12(2)(f)', 'clocks are synchronised', ['V7'], 'the source that the operator’s clock follows'),
    ],
  },
  {
    name: 'ai-act',
    title: 'EU AI Act, articles 12, 19 and 26(6)',
    controls: [
      control(
        'Art. 12',
        'events are recorded automatically over the lifetime',
        ['V4', 'V6', 'V9'],
        'inputs and outputs: none are logged',
      ),
      control(
        'Art. 19, 26(6)',
        'logs are kept for at least six months',
        ['V8', 'V17'],
        'the time after this bundle was made',
      ),
    ],
  },
  {
    name: 'gdpr',
    title: 'GDPR, articles 5, 25 and 32',
    controls: [
      control(
        'Art. 5(1)(c)',
        'data minimisation',
        ['V6'],
        'that a free text field holds no personal data: look at them',
      ),
      control('Art. 32', 'security of processing', ['V10', 'V11'], 'processing outside attested workers'),
    ],
  },
];
