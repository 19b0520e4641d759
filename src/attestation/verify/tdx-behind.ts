import type { PckIdentity, SvnLevel, TdxTcbInfo } from '../endorsements/index.ts';
import type { TdReport } from '../evidence/tdx/index.ts';
import type { SvnBehind } from './tdx-types.ts';

/**
 * How far a platform is behind: each SVN below that of the newest level of TCB info. Levels differ in several SVNs at
 * once, so reaching the newest one takes all of them.
 * @param start TDX components below it are the module, which has an identity of its own
 */
export function platformBehind(report: TdReport, pck: PckIdentity, info: TdxTcbInfo, start: number): SvnBehind[] {
  const newest = info.levels[0];
  if (newest === undefined) return [];
  const pceSvn = { component: 'pcesvn', about: null, measured: pck.pceSvn, newest: newest.pceSvn };
  return [
    ...componentsBehind('sgxtcbcomponents', pck.components, newest.sgxComponents, info.sgxLabels, 0),
    ...(pceSvn.measured < pceSvn.newest ? [pceSvn] : []),
    ...componentsBehind('tdxtcbcomponents', report.teeTcbSvn, newest.tdxComponents, info.tdxLabels, start),
  ];
}

function componentsBehind(
  name: string,
  measured: ArrayLike<number>,
  newest: readonly number[],
  labels: readonly (string | null)[],
  start: number,
): SvnBehind[] {
  return newest.flatMap((wanted, index) => {
    const svn = measured[index] as number;
    if (index < start || svn >= wanted) return [];
    return [{ component: `${name}[${index}]`, about: labels[index] ?? null, measured: svn, newest: wanted }];
  });
}

/** The same for a module or a quoting enclave, which have one SVN. @param levels descending */
export function svnBehind(measured: number, levels: readonly SvnLevel[]): SvnBehind[] {
  const newest = levels[0];
  if (newest === undefined || measured >= newest.isvSvn) return [];
  return [{ component: 'isvsvn', about: null, measured, newest: newest.isvSvn }];
}
