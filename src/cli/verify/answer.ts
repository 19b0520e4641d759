import { CACHE_CHAINS_MAX, CACHE_SIGNATURES_MAX, VerificationCache } from '../../attestation/index.ts';
import { asCodedError, type Json } from '../../core/index.ts';
import { verifyCcel } from './ccel.ts';
import { createCompositeVerifier } from './composite.ts';
import { verifyNrasToken } from './nras-token.ts';
import { createNvidiaDevicesVerifier } from './nvidia-devices.ts';
import { createNvidiaGpuVerifier } from './nvidia-gpu.ts';
import { createNvidiaRimVerifier } from './nvidia-rim.ts';
import type { ShippedPolicies } from './policy.ts';
import { type Kind, parseRequestLine, parseVerifyRequest, requestIdOf, type VerifyRequest } from './request.ts';
import { refusal, type VerifyResponse } from './response.ts';
import { createSnpReportVerifier } from './snp-report.ts';
import { createTdxQuoteVerifier } from './tdx-quote.ts';

export type Verifier = Readonly<{
  /** Never throws for what the request holds: that is a refusal. */
  answer(request: VerifyRequest): Promise<VerifyResponse>;
  /** The same for one line of a batch. */
  answerLine(line: string): Promise<VerifyResponse>;
}>;

type AnswerKind = (request: VerifyRequest) => Promise<VerifyResponse>;

const turnOfEventLoop = () => new Promise<void>((resolve) => setTimeout(resolve));

/** One verifier holds its caches; make one per process. @param policies those that a request may name; none by default */
export function createVerifier(policies: ShippedPolicies = () => null): Verifier {
  const nvidiaCache = new VerificationCache(CACHE_SIGNATURES_MAX, CACHE_CHAINS_MAX, turnOfEventLoop);
  const answerOf: Readonly<Record<Kind, AnswerKind>> = {
    'tdx-quote': createTdxQuoteVerifier(policies),
    'snp-report': createSnpReportVerifier(policies),
    'nvidia-gpu': createNvidiaGpuVerifier(nvidiaCache),
    'nvidia-devices': createNvidiaDevicesVerifier(nvidiaCache),
    'nvidia-rim': createNvidiaRimVerifier(nvidiaCache),
    'nras-token': verifyNrasToken,
    ccel: verifyCcel,
    composite: createCompositeVerifier(policies),
  };
  const answer = async (request: VerifyRequest) => {
    try {
      return await answerOf[request.kind](request);
    } catch (thrown) {
      return refusal(request.id, asCodedError(thrown));
    }
  };
  return {
    answer,
    async answerLine(line) {
      let value: Json = null;
      let request: VerifyRequest;
      try {
        value = parseRequestLine(line);
        request = parseVerifyRequest(value);
      } catch (thrown) {
        return refusal(requestIdOf(value), asCodedError(thrown));
      }
      return answer(request);
    },
  };
}
