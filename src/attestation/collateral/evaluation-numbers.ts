import { CodedError, type Json, type UnixSeconds } from '../../core/index.ts';

/** Intel's sets of TCB levels that exist for TDX (PCS API v4, "TCB Evaluation Data Numbers", version 1). */
export type EvaluationNumbers = Readonly<{
  issueDate: UnixSeconds;
  nextUpdate: UnixSeconds;
  /** The newest. */
  evaluationNumber: number;
  /** Newest first. */
  sets: readonly Readonly<{ number: number; recoveryEventDate: UnixSeconds; tcbDate: UnixSeconds }>[];
}>;

export const EVALUATION_NUMBERS_MAX = 128;

type Fields = { readonly [name: string]: Json | undefined };

const malformed = (field: string) =>
  new CodedError('ENDORSEMENT_MALFORMED', `evaluation data numbers: ${field} is malformed`, { field });

/** @throws CodedError ENDORSEMENT_MALFORMED, also for another id (`SGX`) or version */
export function parseEvaluationNumbers(value: Json): EvaluationNumbers {
  const fields = record(value, 'document');
  if (fields.id !== 'TDX') throw malformed('id');
  if (fields.version !== 1) throw malformed('version');
  const list = fields.tcbEvalNumbers;
  if (!Array.isArray(list) || list.length === 0 || list.length > EVALUATION_NUMBERS_MAX)
    throw malformed('tcbEvalNumbers');
  const sets = list
    .map((item: Json) => {
      const set = record(item, 'tcbEvalNumbers');
      const number = set.tcbEvaluationDataNumber;
      if (typeof number !== 'number' || !Number.isInteger(number) || number < 1 || number > 2 ** 31) {
        throw malformed('tcbEvaluationDataNumber');
      }
      return { number, recoveryEventDate: date(set, 'tcbRecoveryEventDate'), tcbDate: date(set, 'tcbDate') };
    })
    .sort((a, b) => b.number - a.number);
  if (new Set(sets.map(({ number }) => number)).size !== sets.length) throw malformed('tcbEvaluationDataNumber');
  return {
    issueDate: date(fields, 'issueDate'),
    nextUpdate: date(fields, 'nextUpdate'),
    evaluationNumber: sets[0]?.number ?? 0,
    sets,
  };
}

function record(value: Json, field: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(field);
  return value as Fields;
}

/** `YYYY-MM-DDTHH:MM:SSZ`, a date of the calendar. */
function date(fields: Fields, name: string): UnixSeconds {
  const text = fields[name];
  const isDate = typeof text === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text);
  const milliseconds = isDate ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString() !== (text as string).replace('Z', '.000Z')) {
    throw malformed(name);
  }
  return milliseconds / 1000;
}
