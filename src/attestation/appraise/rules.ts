import { Environment, type ParseResult } from '@marcbachmann/cel-js';
import { z } from 'zod';
import type { UnixMs } from '../../core/index.ts';
import { type Check, check, failed, notRun } from '../verify/index.ts';
import { declareClaims, type RuleClaims } from './rule-claims.ts';

/** An expression is small: what a person can read in one look, and what takes microseconds. */
const EXPRESSION_CHARACTERS_MAX = 1024;
const RULES_MAX = 32;
const LIMITS = { maxAstNodes: 256, maxDepth: 16, maxListElements: 64, maxMapEntries: 16, maxCallArguments: 4 };
/** Regular expressions are left out: their time has no bound that depends on their length. */
const REFUSED_FUNCTIONS: ReadonlySet<string> = new Set(['matches']);

const environment = declareClaims(
  new Environment({ limits: LIMITS, unlistedVariablesAreDyn: false, enableOptionalTypes: false }),
);

/**
 * Rules of a policy's own over what was established, in CEL (Common Expression Language): each must be true. They can
 * only refuse; what the rest of a policy refuses no rule lets in.
 */
export const Rules = z
  .array(
    z.strictObject({
      name: z.string().regex(/^[a-z][a-zA-Z0-9]{0,47}$/, 'a letter, then letters and digits, 48 at most'),
      expression: z.string().max(EXPRESSION_CHARACTERS_MAX),
      /** What a host's owner reads where the rule refuses. */
      otherwise: z.string().min(1).max(256),
    }),
  )
  .max(RULES_MAX)
  .superRefine((rules, context) => {
    const names = new Set<string>();
    rules.forEach(({ name, expression }, index) => {
      if (names.has(name)) context.addIssue({ code: 'custom', path: [index, 'name'], message: 'twice' });
      names.add(name);
      const wrong = whyNotRule(expression);
      if (wrong !== null) context.addIssue({ code: 'custom', path: [index, 'expression'], message: wrong });
    });
  });
export type Rules = Readonly<z.infer<typeof Rules>>;

/** Why an expression is no rule: its syntax, a claim that does not exist, an answer that is no bool. Null where it is one. */
function whyNotRule(expression: string): string | null {
  try {
    const parsed = environment.parse(expression);
    const refused = calledIn(parsed.ast).find((name) => REFUSED_FUNCTIONS.has(name));
    if (refused !== undefined) return `${refused}() is not for rules: its time has no bound`;
    const { valid, type, error } = parsed.check();
    if (!valid) return summaryOf(error);
    return type === 'bool' ? null : `answers with ${type ?? 'nothing'}, not with true or false`;
  } catch (error) {
    return summaryOf(error);
  }
}

const summaryOf = (error: unknown): string =>
  error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'is no expression';

/** The names of all functions and macros that an expression calls. */
function calledIn(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(calledIn);
  if (typeof node !== 'object' || node === null || !('op' in node) || !('args' in node)) return [];
  const { op, args } = node;
  const own = op === 'call' || op === 'rcall' ? [String((args as readonly unknown[])[0])] : [];
  return [...own, ...calledIn(args)];
}

/** Parsed once for each policy: a loaded policy does not change. */
const parsedRules = new WeakMap<Rules, readonly ParseResult[]>();

function parsed(rules: Rules): readonly ParseResult[] {
  const known = parsedRules.get(rules);
  if (known !== undefined) return known;
  const made = rules.map(({ expression }) => environment.parse(expression));
  parsedRules.set(rules, made);
  return made;
}

/**
 * Each rule of a policy as a check `rule:name`. One that cannot be computed, because it asks for a claim that this evidence
 * does not have, refuses like one that is false.
 * @param claims null where the evidence is not established: then nothing is known that a rule could judge
 */
export function ruleChecks(rules: Rules, claims: RuleClaims | null, now: UnixMs): Record<string, Check> {
  const expressions = parsed(rules);
  const context = claims === null ? null : { ...claims, now: new Date(now) };
  return Object.fromEntries(
    rules.map(({ name, otherwise }, index) => {
      const judged =
        context === null
          ? notRun('the evidence could not be established')
          : judge(expressions[index] as ParseResult, context, otherwise);
      return [`rule:${name}`, judged];
    }),
  );
}

const REFUSED = 'EVIDENCE_REFUSED_BY_POLICY';

function judge(expression: ParseResult, context: object, otherwise: string): Check {
  try {
    return check(expression(context as Record<string, unknown>) === true, REFUSED, otherwise);
  } catch (error) {
    return failed(REFUSED, `${otherwise} (the rule could not be computed: ${summaryOf(error)})`);
  }
}
