import { isCollateralBundle } from '../../attestation/collateral/index.ts';
import { CodedError, KIND_OF_CODE } from '../../core/index.ts';
import type { VendorFlags } from '../commands/vendor-options.ts';
import { openService, reportKeptOnStderr } from '../compose/collateral-service.ts';
import type { VerifyRequest } from '../verify/request.ts';
import { errorOf, type VerifyResponse } from '../verify/response.ts';
import { collateralForEvidence, FETCHED_KINDS, type FetchedKind, forAllPurposes } from './for-evidence.ts';

export type FoundCollateral = Readonly<{
  request: VerifyRequest;
  /** Says why collateral could not be had, where that is why nothing could be found out. */
  explain(response: VerifyResponse): VerifyResponse;
}>;

/**
 * The request with what it is judged with: out of the bundle that it names, from the vendor, or as it was given. What
 * cannot be had leaves it without: what can be judged without is judged, and refused where it is wrong.
 * @throws CodedError USAGE_INVALID; for a bundle that is malformed or not genuine
 */
export async function findCollateral(
  request: VerifyRequest,
  flags: VendorFlags & Readonly<{ fetch?: boolean }>,
): Promise<FoundCollateral> {
  const isBundle = isCollateralBundle(request.collateral);
  if (!isBundle && flags.fetch !== true) return { request, explain: (response) => response };
  if (request.collateral !== null && flags.fetch === true) {
    throw new CodedError('USAGE_INVALID', 'give either --collateral or --fetch');
  }
  const { evidence } = request;
  const anchors = forAllPurposes(request.trustAnchors);
  const kind = request.kind as FetchedKind;
  if (!FETCHED_KINDS.includes(kind)) {
    throw new CodedError('USAGE_INVALID', `only collateral of ${FETCHED_KINDS.join(', ')} is fetched or bundled`);
  }
  const service = isBundle
    ? await openService({ urls: null, anchors, now: () => request.at * 1000 })
    : await openService({ urls: flags, anchors, bundlePath: flags.bundle, report: reportKeptOnStderr });
  if (isBundle) await service.importBundle(JSON.stringify(request.collateral));
  try {
    const ask = { kind, evidence, anchors, line: flags.line ?? null, channel: flags.update };
    const collateral = await collateralForEvidence(service, ask);
    return { request: { ...request, collateral }, explain: (response) => response };
  } catch (error) {
    if (!(error instanceof CodedError) || KIND_OF_CODE[error.code] !== 'unavailable') throw error;
    const explain = (response: VerifyResponse) =>
      response.verdict === 'unavailable' ? { ...response, error: errorOf(error) } : response;
    return { request: { ...request, collateral: null }, explain };
  } finally {
    await service.flush();
  }
}
