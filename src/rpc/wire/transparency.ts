import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { GetAdmissionRequest as _chrysalis_v1_GetAdmissionRequest, GetAdmissionRequest__Output as _chrysalis_v1_GetAdmissionRequest__Output } from './chrysalis/v1/GetAdmissionRequest.ts';
import type { GetEvidenceRequest as _chrysalis_v1_GetEvidenceRequest, GetEvidenceRequest__Output as _chrysalis_v1_GetEvidenceRequest__Output } from './chrysalis/v1/GetEvidenceRequest.ts';
import type { GetEvidenceResponse as _chrysalis_v1_GetEvidenceResponse, GetEvidenceResponse__Output as _chrysalis_v1_GetEvidenceResponse__Output } from './chrysalis/v1/GetEvidenceResponse.ts';
import type { GetReceiptProofRequest as _chrysalis_v1_GetReceiptProofRequest, GetReceiptProofRequest__Output as _chrysalis_v1_GetReceiptProofRequest__Output } from './chrysalis/v1/GetReceiptProofRequest.ts';
import type { LoggedEntry as _chrysalis_v1_LoggedEntry, LoggedEntry__Output as _chrysalis_v1_LoggedEntry__Output } from './chrysalis/v1/LoggedEntry.ts';
import type { ReceiptProof as _chrysalis_v1_ReceiptProof, ReceiptProof__Output as _chrysalis_v1_ReceiptProof__Output } from './chrysalis/v1/ReceiptProof.ts';
import type { TransparencyClient as _chrysalis_v1_TransparencyClient, TransparencyDefinition as _chrysalis_v1_TransparencyDefinition } from './chrysalis/v1/Transparency.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  chrysalis: {
    v1: {
      GetAdmissionRequest: MessageTypeDefinition<_chrysalis_v1_GetAdmissionRequest, _chrysalis_v1_GetAdmissionRequest__Output>
      GetEvidenceRequest: MessageTypeDefinition<_chrysalis_v1_GetEvidenceRequest, _chrysalis_v1_GetEvidenceRequest__Output>
      GetEvidenceResponse: MessageTypeDefinition<_chrysalis_v1_GetEvidenceResponse, _chrysalis_v1_GetEvidenceResponse__Output>
      GetReceiptProofRequest: MessageTypeDefinition<_chrysalis_v1_GetReceiptProofRequest, _chrysalis_v1_GetReceiptProofRequest__Output>
      LoggedEntry: MessageTypeDefinition<_chrysalis_v1_LoggedEntry, _chrysalis_v1_LoggedEntry__Output>
      ReceiptProof: MessageTypeDefinition<_chrysalis_v1_ReceiptProof, _chrysalis_v1_ReceiptProof__Output>
      Transparency: SubtypeConstructor<typeof grpc.Client, _chrysalis_v1_TransparencyClient> & { service: _chrysalis_v1_TransparencyDefinition }
    }
  }
}

