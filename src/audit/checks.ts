/** What the verification of a bundle asks, by id (audit-log-design section 7). Ids are stable. */
export const CHECKS = {
  V1: 'the files are those of the manifest',
  V2: 'the newest checkpoint is signed by the log and cosigned by the quorum',
  V3: 'the checkpoint before the first entry is, too, and is the one that the range starts from',
  V4: 'every entry of the range is there and none other: they lead to the signed root',
  V5: 'all checkpoints are of the same tree',
  V6: 'every entry is well formed, of a known type, and linked to the one before about its subject',
  V7: 'times do not go back and agree with the times of the witnesses',
  V8: 'every file that an entry names is there and unaltered',
  V9: 'the state follows from the entries',
  V10: 'policies follow each other, count only once the quorum has seen them, and production ones are approved by two people',
  V11: 'every appraisal gives the same verdict when it is made again at its instant',
  V12: 'images are registered by somebody who may',
  V13: 'batches have the contents and counts that their entries say',
  V14: 'settlements cover every batch of receipts at most once',
  V15: 'anchors on chain are of this tree',
  V16: 'time stamps of others are over these checkpoints',
  V17: 'the log was never away without a trace',
  V18: 'no rule of the monitor found an error',
} as const;
export type CheckId = keyof typeof CHECKS;

/** `notChecked`: it should have been and could not be; `notApplicable`: there is nothing of the kind. */
export type CheckOutcome = 'passed' | 'failed' | 'notChecked' | 'notApplicable';
export type AuditCheck = Readonly<{
  id: CheckId;
  title: string;
  outcome: CheckOutcome;
  /** How many things were looked at. */
  looked: number;
  problemCount: number;
  /** The first of them. */
  problems: readonly string[];
  /** What was not looked at, and what to know. */
  notes: readonly string[];
}>;

const PROBLEMS_KEPT = 50;
const NOTES_KEPT = 50;

/** Gathers the outcome of one check; counts everything, keeps a bounded part. */
export class Tally {
  readonly id: CheckId;
  #looked = 0;
  #problemCount = 0;
  #skipped = 0;
  readonly #problems: string[] = [];
  readonly #notes = new Set<string>();

  constructor(id: CheckId) {
    this.id = id;
  }

  /** Something was looked at. */
  look(times = 1): void {
    this.#looked += times;
  }

  fail(problem: string): void {
    this.#problemCount++;
    if (this.#problems.length < PROBLEMS_KEPT) this.#problems.push(problem);
  }

  /** Looks at one thing. */
  require(holds: boolean, problem: string): void {
    this.look();
    if (!holds) this.fail(problem);
  }

  /** Something should have been looked at and could not be. */
  skip(why: string): void {
    this.#skipped++;
    this.note(why);
  }

  note(text: string): void {
    if (this.#notes.size < NOTES_KEPT) this.#notes.add(text);
  }

  get failed(): boolean {
    return this.#problemCount > 0;
  }

  result(): AuditCheck {
    const outcome = this.#outcome();
    return {
      id: this.id,
      title: CHECKS[this.id],
      outcome,
      looked: this.#looked,
      problemCount: this.#problemCount,
      problems: this.#problems,
      notes: [...this.#notes],
    };
  }

  #outcome(): CheckOutcome {
    if (this.#problemCount > 0) return 'failed';
    if (this.#skipped > 0) return 'notChecked';
    return this.#looked > 0 ? 'passed' : 'notApplicable';
  }
}

export type Tallies = Readonly<Record<CheckId, Tally>>;

export function newTallies(): Tallies {
  const ids = Object.keys(CHECKS) as CheckId[];
  return Object.fromEntries(ids.map((id) => [id, new Tally(id)])) as unknown as Tallies;
}
