// Original file: proto/chrysalis/v1/admin.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ApprovePolicyRequest as _chrysalis_v1_ApprovePolicyRequest, ApprovePolicyRequest__Output as _chrysalis_v1_ApprovePolicyRequest__Output } from '../../chrysalis/v1/ApprovePolicyRequest.ts';
import type { AuditRecord as _chrysalis_v1_AuditRecord, AuditRecord__Output as _chrysalis_v1_AuditRecord__Output } from '../../chrysalis/v1/AuditRecord.ts';
import type { DrainWorkerRequest as _chrysalis_v1_DrainWorkerRequest, DrainWorkerRequest__Output as _chrysalis_v1_DrainWorkerRequest__Output } from '../../chrysalis/v1/DrainWorkerRequest.ts';
import type { DrainWorkerResponse as _chrysalis_v1_DrainWorkerResponse, DrainWorkerResponse__Output as _chrysalis_v1_DrainWorkerResponse__Output } from '../../chrysalis/v1/DrainWorkerResponse.ts';
import type { GetPolicyRequest as _chrysalis_v1_GetPolicyRequest, GetPolicyRequest__Output as _chrysalis_v1_GetPolicyRequest__Output } from '../../chrysalis/v1/GetPolicyRequest.ts';
import type { GetPolicyResponse as _chrysalis_v1_GetPolicyResponse, GetPolicyResponse__Output as _chrysalis_v1_GetPolicyResponse__Output } from '../../chrysalis/v1/GetPolicyResponse.ts';
import type { GetProposalRequest as _chrysalis_v1_GetProposalRequest, GetProposalRequest__Output as _chrysalis_v1_GetProposalRequest__Output } from '../../chrysalis/v1/GetProposalRequest.ts';
import type { GetStatusRequest as _chrysalis_v1_GetStatusRequest, GetStatusRequest__Output as _chrysalis_v1_GetStatusRequest__Output } from '../../chrysalis/v1/GetStatusRequest.ts';
import type { GetStatusResponse as _chrysalis_v1_GetStatusResponse, GetStatusResponse__Output as _chrysalis_v1_GetStatusResponse__Output } from '../../chrysalis/v1/GetStatusResponse.ts';
import type { ListWorkersRequest as _chrysalis_v1_ListWorkersRequest, ListWorkersRequest__Output as _chrysalis_v1_ListWorkersRequest__Output } from '../../chrysalis/v1/ListWorkersRequest.ts';
import type { ListWorkersResponse as _chrysalis_v1_ListWorkersResponse, ListWorkersResponse__Output as _chrysalis_v1_ListWorkersResponse__Output } from '../../chrysalis/v1/ListWorkersResponse.ts';
import type { PolicyProposal as _chrysalis_v1_PolicyProposal, PolicyProposal__Output as _chrysalis_v1_PolicyProposal__Output } from '../../chrysalis/v1/PolicyProposal.ts';
import type { ProposePolicyRequest as _chrysalis_v1_ProposePolicyRequest, ProposePolicyRequest__Output as _chrysalis_v1_ProposePolicyRequest__Output } from '../../chrysalis/v1/ProposePolicyRequest.ts';
import type { RecordExportRequest as _chrysalis_v1_RecordExportRequest, RecordExportRequest__Output as _chrysalis_v1_RecordExportRequest__Output } from '../../chrysalis/v1/RecordExportRequest.ts';
import type { RecordReviewRequest as _chrysalis_v1_RecordReviewRequest, RecordReviewRequest__Output as _chrysalis_v1_RecordReviewRequest__Output } from '../../chrysalis/v1/RecordReviewRequest.ts';

export interface AdministrationClient extends grpc.Client {
  ApprovePolicy(argument: _chrysalis_v1_ApprovePolicyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  ApprovePolicy(argument: _chrysalis_v1_ApprovePolicyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  ApprovePolicy(argument: _chrysalis_v1_ApprovePolicyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  ApprovePolicy(argument: _chrysalis_v1_ApprovePolicyRequest, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  approvePolicy(argument: _chrysalis_v1_ApprovePolicyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  approvePolicy(argument: _chrysalis_v1_ApprovePolicyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  approvePolicy(argument: _chrysalis_v1_ApprovePolicyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  approvePolicy(argument: _chrysalis_v1_ApprovePolicyRequest, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  
  DrainWorker(argument: _chrysalis_v1_DrainWorkerRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  DrainWorker(argument: _chrysalis_v1_DrainWorkerRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  DrainWorker(argument: _chrysalis_v1_DrainWorkerRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  DrainWorker(argument: _chrysalis_v1_DrainWorkerRequest, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  drainWorker(argument: _chrysalis_v1_DrainWorkerRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  drainWorker(argument: _chrysalis_v1_DrainWorkerRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  drainWorker(argument: _chrysalis_v1_DrainWorkerRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  drainWorker(argument: _chrysalis_v1_DrainWorkerRequest, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  
  GetPolicy(argument: _chrysalis_v1_GetPolicyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  GetPolicy(argument: _chrysalis_v1_GetPolicyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  GetPolicy(argument: _chrysalis_v1_GetPolicyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  GetPolicy(argument: _chrysalis_v1_GetPolicyRequest, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  getPolicy(argument: _chrysalis_v1_GetPolicyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  getPolicy(argument: _chrysalis_v1_GetPolicyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  getPolicy(argument: _chrysalis_v1_GetPolicyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  getPolicy(argument: _chrysalis_v1_GetPolicyRequest, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  
  GetProposal(argument: _chrysalis_v1_GetProposalRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  GetProposal(argument: _chrysalis_v1_GetProposalRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  GetProposal(argument: _chrysalis_v1_GetProposalRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  GetProposal(argument: _chrysalis_v1_GetProposalRequest, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  getProposal(argument: _chrysalis_v1_GetProposalRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  getProposal(argument: _chrysalis_v1_GetProposalRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  getProposal(argument: _chrysalis_v1_GetProposalRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  getProposal(argument: _chrysalis_v1_GetProposalRequest, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  
  GetStatus(argument: _chrysalis_v1_GetStatusRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  GetStatus(argument: _chrysalis_v1_GetStatusRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  GetStatus(argument: _chrysalis_v1_GetStatusRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  GetStatus(argument: _chrysalis_v1_GetStatusRequest, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _chrysalis_v1_GetStatusRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _chrysalis_v1_GetStatusRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _chrysalis_v1_GetStatusRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _chrysalis_v1_GetStatusRequest, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  
  ListWorkers(argument: _chrysalis_v1_ListWorkersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _chrysalis_v1_ListWorkersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _chrysalis_v1_ListWorkersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _chrysalis_v1_ListWorkersRequest, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _chrysalis_v1_ListWorkersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _chrysalis_v1_ListWorkersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _chrysalis_v1_ListWorkersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _chrysalis_v1_ListWorkersRequest, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  
  ProposePolicy(argument: _chrysalis_v1_ProposePolicyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  ProposePolicy(argument: _chrysalis_v1_ProposePolicyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  ProposePolicy(argument: _chrysalis_v1_ProposePolicyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  ProposePolicy(argument: _chrysalis_v1_ProposePolicyRequest, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  proposePolicy(argument: _chrysalis_v1_ProposePolicyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  proposePolicy(argument: _chrysalis_v1_ProposePolicyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  proposePolicy(argument: _chrysalis_v1_ProposePolicyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  proposePolicy(argument: _chrysalis_v1_ProposePolicyRequest, callback: grpc.requestCallback<_chrysalis_v1_PolicyProposal__Output>): grpc.ClientUnaryCall;
  
  RecordExport(argument: _chrysalis_v1_RecordExportRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  RecordExport(argument: _chrysalis_v1_RecordExportRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  RecordExport(argument: _chrysalis_v1_RecordExportRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  RecordExport(argument: _chrysalis_v1_RecordExportRequest, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  recordExport(argument: _chrysalis_v1_RecordExportRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  recordExport(argument: _chrysalis_v1_RecordExportRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  recordExport(argument: _chrysalis_v1_RecordExportRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  recordExport(argument: _chrysalis_v1_RecordExportRequest, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  
  RecordReview(argument: _chrysalis_v1_RecordReviewRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  RecordReview(argument: _chrysalis_v1_RecordReviewRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  RecordReview(argument: _chrysalis_v1_RecordReviewRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  RecordReview(argument: _chrysalis_v1_RecordReviewRequest, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  recordReview(argument: _chrysalis_v1_RecordReviewRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  recordReview(argument: _chrysalis_v1_RecordReviewRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  recordReview(argument: _chrysalis_v1_RecordReviewRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  recordReview(argument: _chrysalis_v1_RecordReviewRequest, callback: grpc.requestCallback<_chrysalis_v1_AuditRecord__Output>): grpc.ClientUnaryCall;
  
}

export interface AdministrationHandlers extends grpc.UntypedServiceImplementation {
  ApprovePolicy: grpc.handleUnaryCall<_chrysalis_v1_ApprovePolicyRequest__Output, _chrysalis_v1_PolicyProposal>;
  
  DrainWorker: grpc.handleUnaryCall<_chrysalis_v1_DrainWorkerRequest__Output, _chrysalis_v1_DrainWorkerResponse>;
  
  GetPolicy: grpc.handleUnaryCall<_chrysalis_v1_GetPolicyRequest__Output, _chrysalis_v1_GetPolicyResponse>;
  
  GetProposal: grpc.handleUnaryCall<_chrysalis_v1_GetProposalRequest__Output, _chrysalis_v1_PolicyProposal>;
  
  GetStatus: grpc.handleUnaryCall<_chrysalis_v1_GetStatusRequest__Output, _chrysalis_v1_GetStatusResponse>;
  
  ListWorkers: grpc.handleUnaryCall<_chrysalis_v1_ListWorkersRequest__Output, _chrysalis_v1_ListWorkersResponse>;
  
  ProposePolicy: grpc.handleUnaryCall<_chrysalis_v1_ProposePolicyRequest__Output, _chrysalis_v1_PolicyProposal>;
  
  RecordExport: grpc.handleUnaryCall<_chrysalis_v1_RecordExportRequest__Output, _chrysalis_v1_AuditRecord>;
  
  RecordReview: grpc.handleUnaryCall<_chrysalis_v1_RecordReviewRequest__Output, _chrysalis_v1_AuditRecord>;
  
}

export interface AdministrationDefinition extends grpc.ServiceDefinition {
  ApprovePolicy: MethodDefinition<_chrysalis_v1_ApprovePolicyRequest, _chrysalis_v1_PolicyProposal, _chrysalis_v1_ApprovePolicyRequest__Output, _chrysalis_v1_PolicyProposal__Output>
  DrainWorker: MethodDefinition<_chrysalis_v1_DrainWorkerRequest, _chrysalis_v1_DrainWorkerResponse, _chrysalis_v1_DrainWorkerRequest__Output, _chrysalis_v1_DrainWorkerResponse__Output>
  GetPolicy: MethodDefinition<_chrysalis_v1_GetPolicyRequest, _chrysalis_v1_GetPolicyResponse, _chrysalis_v1_GetPolicyRequest__Output, _chrysalis_v1_GetPolicyResponse__Output>
  GetProposal: MethodDefinition<_chrysalis_v1_GetProposalRequest, _chrysalis_v1_PolicyProposal, _chrysalis_v1_GetProposalRequest__Output, _chrysalis_v1_PolicyProposal__Output>
  GetStatus: MethodDefinition<_chrysalis_v1_GetStatusRequest, _chrysalis_v1_GetStatusResponse, _chrysalis_v1_GetStatusRequest__Output, _chrysalis_v1_GetStatusResponse__Output>
  ListWorkers: MethodDefinition<_chrysalis_v1_ListWorkersRequest, _chrysalis_v1_ListWorkersResponse, _chrysalis_v1_ListWorkersRequest__Output, _chrysalis_v1_ListWorkersResponse__Output>
  ProposePolicy: MethodDefinition<_chrysalis_v1_ProposePolicyRequest, _chrysalis_v1_PolicyProposal, _chrysalis_v1_ProposePolicyRequest__Output, _chrysalis_v1_PolicyProposal__Output>
  RecordExport: MethodDefinition<_chrysalis_v1_RecordExportRequest, _chrysalis_v1_AuditRecord, _chrysalis_v1_RecordExportRequest__Output, _chrysalis_v1_AuditRecord__Output>
  RecordReview: MethodDefinition<_chrysalis_v1_RecordReviewRequest, _chrysalis_v1_AuditRecord, _chrysalis_v1_RecordReviewRequest__Output, _chrysalis_v1_AuditRecord__Output>
}
