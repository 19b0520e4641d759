// Original file: proto/chrysalis/v1/transparency.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetAdmissionRequest as _chrysalis_v1_GetAdmissionRequest, GetAdmissionRequest__Output as _chrysalis_v1_GetAdmissionRequest__Output } from '../../chrysalis/v1/GetAdmissionRequest.ts';
import type { GetEvidenceRequest as _chrysalis_v1_GetEvidenceRequest, GetEvidenceRequest__Output as _chrysalis_v1_GetEvidenceRequest__Output } from '../../chrysalis/v1/GetEvidenceRequest.ts';
import type { GetEvidenceResponse as _chrysalis_v1_GetEvidenceResponse, GetEvidenceResponse__Output as _chrysalis_v1_GetEvidenceResponse__Output } from '../../chrysalis/v1/GetEvidenceResponse.ts';
import type { GetReceiptProofRequest as _chrysalis_v1_GetReceiptProofRequest, GetReceiptProofRequest__Output as _chrysalis_v1_GetReceiptProofRequest__Output } from '../../chrysalis/v1/GetReceiptProofRequest.ts';
import type { LoggedEntry as _chrysalis_v1_LoggedEntry, LoggedEntry__Output as _chrysalis_v1_LoggedEntry__Output } from '../../chrysalis/v1/LoggedEntry.ts';
import type { ReceiptProof as _chrysalis_v1_ReceiptProof, ReceiptProof__Output as _chrysalis_v1_ReceiptProof__Output } from '../../chrysalis/v1/ReceiptProof.ts';

export interface TransparencyClient extends grpc.Client {
  GetAdmission(argument: _chrysalis_v1_GetAdmissionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_LoggedEntry__Output>): grpc.ClientUnaryCall;
  GetAdmission(argument: _chrysalis_v1_GetAdmissionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_LoggedEntry__Output>): grpc.ClientUnaryCall;
  GetAdmission(argument: _chrysalis_v1_GetAdmissionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_LoggedEntry__Output>): grpc.ClientUnaryCall;
  GetAdmission(argument: _chrysalis_v1_GetAdmissionRequest, callback: grpc.requestCallback<_chrysalis_v1_LoggedEntry__Output>): grpc.ClientUnaryCall;
  getAdmission(argument: _chrysalis_v1_GetAdmissionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_LoggedEntry__Output>): grpc.ClientUnaryCall;
  getAdmission(argument: _chrysalis_v1_GetAdmissionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_LoggedEntry__Output>): grpc.ClientUnaryCall;
  getAdmission(argument: _chrysalis_v1_GetAdmissionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_LoggedEntry__Output>): grpc.ClientUnaryCall;
  getAdmission(argument: _chrysalis_v1_GetAdmissionRequest, callback: grpc.requestCallback<_chrysalis_v1_LoggedEntry__Output>): grpc.ClientUnaryCall;
  
  GetEvidence(argument: _chrysalis_v1_GetEvidenceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetEvidenceResponse__Output>): grpc.ClientUnaryCall;
  GetEvidence(argument: _chrysalis_v1_GetEvidenceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetEvidenceResponse__Output>): grpc.ClientUnaryCall;
  GetEvidence(argument: _chrysalis_v1_GetEvidenceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetEvidenceResponse__Output>): grpc.ClientUnaryCall;
  GetEvidence(argument: _chrysalis_v1_GetEvidenceRequest, callback: grpc.requestCallback<_chrysalis_v1_GetEvidenceResponse__Output>): grpc.ClientUnaryCall;
  getEvidence(argument: _chrysalis_v1_GetEvidenceRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetEvidenceResponse__Output>): grpc.ClientUnaryCall;
  getEvidence(argument: _chrysalis_v1_GetEvidenceRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetEvidenceResponse__Output>): grpc.ClientUnaryCall;
  getEvidence(argument: _chrysalis_v1_GetEvidenceRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetEvidenceResponse__Output>): grpc.ClientUnaryCall;
  getEvidence(argument: _chrysalis_v1_GetEvidenceRequest, callback: grpc.requestCallback<_chrysalis_v1_GetEvidenceResponse__Output>): grpc.ClientUnaryCall;
  
  GetReceiptProof(argument: _chrysalis_v1_GetReceiptProofRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReceiptProof__Output>): grpc.ClientUnaryCall;
  GetReceiptProof(argument: _chrysalis_v1_GetReceiptProofRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ReceiptProof__Output>): grpc.ClientUnaryCall;
  GetReceiptProof(argument: _chrysalis_v1_GetReceiptProofRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReceiptProof__Output>): grpc.ClientUnaryCall;
  GetReceiptProof(argument: _chrysalis_v1_GetReceiptProofRequest, callback: grpc.requestCallback<_chrysalis_v1_ReceiptProof__Output>): grpc.ClientUnaryCall;
  getReceiptProof(argument: _chrysalis_v1_GetReceiptProofRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReceiptProof__Output>): grpc.ClientUnaryCall;
  getReceiptProof(argument: _chrysalis_v1_GetReceiptProofRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ReceiptProof__Output>): grpc.ClientUnaryCall;
  getReceiptProof(argument: _chrysalis_v1_GetReceiptProofRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReceiptProof__Output>): grpc.ClientUnaryCall;
  getReceiptProof(argument: _chrysalis_v1_GetReceiptProofRequest, callback: grpc.requestCallback<_chrysalis_v1_ReceiptProof__Output>): grpc.ClientUnaryCall;
  
}

export interface TransparencyHandlers extends grpc.UntypedServiceImplementation {
  GetAdmission: grpc.handleUnaryCall<_chrysalis_v1_GetAdmissionRequest__Output, _chrysalis_v1_LoggedEntry>;
  
  GetEvidence: grpc.handleUnaryCall<_chrysalis_v1_GetEvidenceRequest__Output, _chrysalis_v1_GetEvidenceResponse>;
  
  GetReceiptProof: grpc.handleUnaryCall<_chrysalis_v1_GetReceiptProofRequest__Output, _chrysalis_v1_ReceiptProof>;
  
}

export interface TransparencyDefinition extends grpc.ServiceDefinition {
  GetAdmission: MethodDefinition<_chrysalis_v1_GetAdmissionRequest, _chrysalis_v1_LoggedEntry, _chrysalis_v1_GetAdmissionRequest__Output, _chrysalis_v1_LoggedEntry__Output>
  GetEvidence: MethodDefinition<_chrysalis_v1_GetEvidenceRequest, _chrysalis_v1_GetEvidenceResponse, _chrysalis_v1_GetEvidenceRequest__Output, _chrysalis_v1_GetEvidenceResponse__Output>
  GetReceiptProof: MethodDefinition<_chrysalis_v1_GetReceiptProofRequest, _chrysalis_v1_ReceiptProof, _chrysalis_v1_GetReceiptProofRequest__Output, _chrysalis_v1_ReceiptProof__Output>
}
