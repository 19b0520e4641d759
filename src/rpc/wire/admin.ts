import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { AdministrationClient as _chrysalis_v1_AdministrationClient, AdministrationDefinition as _chrysalis_v1_AdministrationDefinition } from './chrysalis/v1/Administration.ts';
import type { ApprovePolicyRequest as _chrysalis_v1_ApprovePolicyRequest, ApprovePolicyRequest__Output as _chrysalis_v1_ApprovePolicyRequest__Output } from './chrysalis/v1/ApprovePolicyRequest.ts';
import type { AuditRecord as _chrysalis_v1_AuditRecord, AuditRecord__Output as _chrysalis_v1_AuditRecord__Output } from './chrysalis/v1/AuditRecord.ts';
import type { DrainWorkerRequest as _chrysalis_v1_DrainWorkerRequest, DrainWorkerRequest__Output as _chrysalis_v1_DrainWorkerRequest__Output } from './chrysalis/v1/DrainWorkerRequest.ts';
import type { DrainWorkerResponse as _chrysalis_v1_DrainWorkerResponse, DrainWorkerResponse__Output as _chrysalis_v1_DrainWorkerResponse__Output } from './chrysalis/v1/DrainWorkerResponse.ts';
import type { EndedCount as _chrysalis_v1_EndedCount, EndedCount__Output as _chrysalis_v1_EndedCount__Output } from './chrysalis/v1/EndedCount.ts';
import type { GetPolicyRequest as _chrysalis_v1_GetPolicyRequest, GetPolicyRequest__Output as _chrysalis_v1_GetPolicyRequest__Output } from './chrysalis/v1/GetPolicyRequest.ts';
import type { GetPolicyResponse as _chrysalis_v1_GetPolicyResponse, GetPolicyResponse__Output as _chrysalis_v1_GetPolicyResponse__Output } from './chrysalis/v1/GetPolicyResponse.ts';
import type { GetProposalRequest as _chrysalis_v1_GetProposalRequest, GetProposalRequest__Output as _chrysalis_v1_GetProposalRequest__Output } from './chrysalis/v1/GetProposalRequest.ts';
import type { GetStatusRequest as _chrysalis_v1_GetStatusRequest, GetStatusRequest__Output as _chrysalis_v1_GetStatusRequest__Output } from './chrysalis/v1/GetStatusRequest.ts';
import type { GetStatusResponse as _chrysalis_v1_GetStatusResponse, GetStatusResponse__Output as _chrysalis_v1_GetStatusResponse__Output } from './chrysalis/v1/GetStatusResponse.ts';
import type { ListWorkersRequest as _chrysalis_v1_ListWorkersRequest, ListWorkersRequest__Output as _chrysalis_v1_ListWorkersRequest__Output } from './chrysalis/v1/ListWorkersRequest.ts';
import type { ListWorkersResponse as _chrysalis_v1_ListWorkersResponse, ListWorkersResponse__Output as _chrysalis_v1_ListWorkersResponse__Output } from './chrysalis/v1/ListWorkersResponse.ts';
import type { PolicyProposal as _chrysalis_v1_PolicyProposal, PolicyProposal__Output as _chrysalis_v1_PolicyProposal__Output } from './chrysalis/v1/PolicyProposal.ts';
import type { ProposePolicyRequest as _chrysalis_v1_ProposePolicyRequest, ProposePolicyRequest__Output as _chrysalis_v1_ProposePolicyRequest__Output } from './chrysalis/v1/ProposePolicyRequest.ts';
import type { QueueState as _chrysalis_v1_QueueState, QueueState__Output as _chrysalis_v1_QueueState__Output } from './chrysalis/v1/QueueState.ts';
import type { RecordExportRequest as _chrysalis_v1_RecordExportRequest, RecordExportRequest__Output as _chrysalis_v1_RecordExportRequest__Output } from './chrysalis/v1/RecordExportRequest.ts';
import type { RecordReviewRequest as _chrysalis_v1_RecordReviewRequest, RecordReviewRequest__Output as _chrysalis_v1_RecordReviewRequest__Output } from './chrysalis/v1/RecordReviewRequest.ts';
import type { WorkerLoad as _chrysalis_v1_WorkerLoad, WorkerLoad__Output as _chrysalis_v1_WorkerLoad__Output } from './chrysalis/v1/WorkerLoad.ts';
import type { WorkerState as _chrysalis_v1_WorkerState, WorkerState__Output as _chrysalis_v1_WorkerState__Output } from './chrysalis/v1/WorkerState.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  chrysalis: {
    v1: {
      Administration: SubtypeConstructor<typeof grpc.Client, _chrysalis_v1_AdministrationClient> & { service: _chrysalis_v1_AdministrationDefinition }
      ApprovePolicyRequest: MessageTypeDefinition<_chrysalis_v1_ApprovePolicyRequest, _chrysalis_v1_ApprovePolicyRequest__Output>
      AuditRecord: MessageTypeDefinition<_chrysalis_v1_AuditRecord, _chrysalis_v1_AuditRecord__Output>
      DrainWorkerRequest: MessageTypeDefinition<_chrysalis_v1_DrainWorkerRequest, _chrysalis_v1_DrainWorkerRequest__Output>
      DrainWorkerResponse: MessageTypeDefinition<_chrysalis_v1_DrainWorkerResponse, _chrysalis_v1_DrainWorkerResponse__Output>
      EndedCount: MessageTypeDefinition<_chrysalis_v1_EndedCount, _chrysalis_v1_EndedCount__Output>
      GetPolicyRequest: MessageTypeDefinition<_chrysalis_v1_GetPolicyRequest, _chrysalis_v1_GetPolicyRequest__Output>
      GetPolicyResponse: MessageTypeDefinition<_chrysalis_v1_GetPolicyResponse, _chrysalis_v1_GetPolicyResponse__Output>
      GetProposalRequest: MessageTypeDefinition<_chrysalis_v1_GetProposalRequest, _chrysalis_v1_GetProposalRequest__Output>
      GetStatusRequest: MessageTypeDefinition<_chrysalis_v1_GetStatusRequest, _chrysalis_v1_GetStatusRequest__Output>
      GetStatusResponse: MessageTypeDefinition<_chrysalis_v1_GetStatusResponse, _chrysalis_v1_GetStatusResponse__Output>
      ListWorkersRequest: MessageTypeDefinition<_chrysalis_v1_ListWorkersRequest, _chrysalis_v1_ListWorkersRequest__Output>
      ListWorkersResponse: MessageTypeDefinition<_chrysalis_v1_ListWorkersResponse, _chrysalis_v1_ListWorkersResponse__Output>
      PolicyProposal: MessageTypeDefinition<_chrysalis_v1_PolicyProposal, _chrysalis_v1_PolicyProposal__Output>
      ProposePolicyRequest: MessageTypeDefinition<_chrysalis_v1_ProposePolicyRequest, _chrysalis_v1_ProposePolicyRequest__Output>
      QueueState: MessageTypeDefinition<_chrysalis_v1_QueueState, _chrysalis_v1_QueueState__Output>
      RecordExportRequest: MessageTypeDefinition<_chrysalis_v1_RecordExportRequest, _chrysalis_v1_RecordExportRequest__Output>
      RecordReviewRequest: MessageTypeDefinition<_chrysalis_v1_RecordReviewRequest, _chrysalis_v1_RecordReviewRequest__Output>
      WorkerLoad: MessageTypeDefinition<_chrysalis_v1_WorkerLoad, _chrysalis_v1_WorkerLoad__Output>
      WorkerState: MessageTypeDefinition<_chrysalis_v1_WorkerState, _chrysalis_v1_WorkerState__Output>
    }
  }
}

