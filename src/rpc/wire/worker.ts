import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Candidate as _chrysalis_v1_Candidate, Candidate__Output as _chrysalis_v1_Candidate__Output } from './chrysalis/v1/Candidate.ts';
import type { Challenge as _chrysalis_v1_Challenge, Challenge__Output as _chrysalis_v1_Challenge__Output } from './chrysalis/v1/Challenge.ts';
import type { Dispatch as _chrysalis_v1_Dispatch, Dispatch__Output as _chrysalis_v1_Dispatch__Output } from './chrysalis/v1/Dispatch.ts';
import type { Drain as _chrysalis_v1_Drain, Drain__Output as _chrysalis_v1_Drain__Output } from './chrysalis/v1/Drain.ts';
import type { Evidence as _chrysalis_v1_Evidence, Evidence__Output as _chrysalis_v1_Evidence__Output } from './chrysalis/v1/Evidence.ts';
import type { GetOffersRequest as _chrysalis_v1_GetOffersRequest, GetOffersRequest__Output as _chrysalis_v1_GetOffersRequest__Output } from './chrysalis/v1/GetOffersRequest.ts';
import type { GetOffersResponse as _chrysalis_v1_GetOffersResponse, GetOffersResponse__Output as _chrysalis_v1_GetOffersResponse__Output } from './chrysalis/v1/GetOffersResponse.ts';
import type { GetStandingRequest as _chrysalis_v1_GetStandingRequest, GetStandingRequest__Output as _chrysalis_v1_GetStandingRequest__Output } from './chrysalis/v1/GetStandingRequest.ts';
import type { HelloAsk as _chrysalis_v1_HelloAsk, HelloAsk__Output as _chrysalis_v1_HelloAsk__Output } from './chrysalis/v1/HelloAsk.ts';
import type { InferRequest as _chrysalis_v1_InferRequest, InferRequest__Output as _chrysalis_v1_InferRequest__Output } from './chrysalis/v1/InferRequest.ts';
import type { InferResponse as _chrysalis_v1_InferResponse, InferResponse__Output as _chrysalis_v1_InferResponse__Output } from './chrysalis/v1/InferResponse.ts';
import type { InferenceClient as _chrysalis_v1_InferenceClient, InferenceDefinition as _chrysalis_v1_InferenceDefinition } from './chrysalis/v1/Inference.ts';
import type { Join as _chrysalis_v1_Join, Join__Output as _chrysalis_v1_Join__Output } from './chrysalis/v1/Join.ts';
import type { Lease as _chrysalis_v1_Lease, Lease__Output as _chrysalis_v1_Lease__Output } from './chrysalis/v1/Lease.ts';
import type { ListModelsRequest as _chrysalis_v1_ListModelsRequest, ListModelsRequest__Output as _chrysalis_v1_ListModelsRequest__Output } from './chrysalis/v1/ListModelsRequest.ts';
import type { ListModelsResponse as _chrysalis_v1_ListModelsResponse, ListModelsResponse__Output as _chrysalis_v1_ListModelsResponse__Output } from './chrysalis/v1/ListModelsResponse.ts';
import type { Model as _chrysalis_v1_Model, Model__Output as _chrysalis_v1_Model__Output } from './chrysalis/v1/Model.ts';
import type { Offer as _chrysalis_v1_Offer, Offer__Output as _chrysalis_v1_Offer__Output } from './chrysalis/v1/Offer.ts';
import type { OfferAnswer as _chrysalis_v1_OfferAnswer, OfferAnswer__Output as _chrysalis_v1_OfferAnswer__Output } from './chrysalis/v1/OfferAnswer.ts';
import type { Open as _chrysalis_v1_Open, Open__Output as _chrysalis_v1_Open__Output } from './chrysalis/v1/Open.ts';
import type { OpenCheck as _chrysalis_v1_OpenCheck, OpenCheck__Output as _chrysalis_v1_OpenCheck__Output } from './chrysalis/v1/OpenCheck.ts';
import type { Refusal as _chrysalis_v1_Refusal, Refusal__Output as _chrysalis_v1_Refusal__Output } from './chrysalis/v1/Refusal.ts';
import type { RenewalRequest as _chrysalis_v1_RenewalRequest, RenewalRequest__Output as _chrysalis_v1_RenewalRequest__Output } from './chrysalis/v1/RenewalRequest.ts';
import type { Resume as _chrysalis_v1_Resume, Resume__Output as _chrysalis_v1_Resume__Output } from './chrysalis/v1/Resume.ts';
import type { RouterMessage as _chrysalis_v1_RouterMessage, RouterMessage__Output as _chrysalis_v1_RouterMessage__Output } from './chrysalis/v1/RouterMessage.ts';
import type { ServeFromRouter as _chrysalis_v1_ServeFromRouter, ServeFromRouter__Output as _chrysalis_v1_ServeFromRouter__Output } from './chrysalis/v1/ServeFromRouter.ts';
import type { ServeFromWorker as _chrysalis_v1_ServeFromWorker, ServeFromWorker__Output as _chrysalis_v1_ServeFromWorker__Output } from './chrysalis/v1/ServeFromWorker.ts';
import type { ServeOpen as _chrysalis_v1_ServeOpen, ServeOpen__Output as _chrysalis_v1_ServeOpen__Output } from './chrysalis/v1/ServeOpen.ts';
import type { SignedReceipt as _chrysalis_v1_SignedReceipt, SignedReceipt__Output as _chrysalis_v1_SignedReceipt__Output } from './chrysalis/v1/SignedReceipt.ts';
import type { Standing as _chrysalis_v1_Standing, Standing__Output as _chrysalis_v1_Standing__Output } from './chrysalis/v1/Standing.ts';
import type { StandingRefusal as _chrysalis_v1_StandingRefusal, StandingRefusal__Output as _chrysalis_v1_StandingRefusal__Output } from './chrysalis/v1/StandingRefusal.ts';
import type { WorkerAttachmentClient as _chrysalis_v1_WorkerAttachmentClient, WorkerAttachmentDefinition as _chrysalis_v1_WorkerAttachmentDefinition } from './chrysalis/v1/WorkerAttachment.ts';
import type { WorkerMessage as _chrysalis_v1_WorkerMessage, WorkerMessage__Output as _chrysalis_v1_WorkerMessage__Output } from './chrysalis/v1/WorkerMessage.ts';
import type { WorkerStatus as _chrysalis_v1_WorkerStatus, WorkerStatus__Output as _chrysalis_v1_WorkerStatus__Output } from './chrysalis/v1/WorkerStatus.ts';
import type { WorkerVoucher as _chrysalis_v1_WorkerVoucher, WorkerVoucher__Output as _chrysalis_v1_WorkerVoucher__Output } from './chrysalis/v1/WorkerVoucher.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  chrysalis: {
    v1: {
      Candidate: MessageTypeDefinition<_chrysalis_v1_Candidate, _chrysalis_v1_Candidate__Output>
      Challenge: MessageTypeDefinition<_chrysalis_v1_Challenge, _chrysalis_v1_Challenge__Output>
      Dispatch: MessageTypeDefinition<_chrysalis_v1_Dispatch, _chrysalis_v1_Dispatch__Output>
      Drain: MessageTypeDefinition<_chrysalis_v1_Drain, _chrysalis_v1_Drain__Output>
      Evidence: MessageTypeDefinition<_chrysalis_v1_Evidence, _chrysalis_v1_Evidence__Output>
      GetOffersRequest: MessageTypeDefinition<_chrysalis_v1_GetOffersRequest, _chrysalis_v1_GetOffersRequest__Output>
      GetOffersResponse: MessageTypeDefinition<_chrysalis_v1_GetOffersResponse, _chrysalis_v1_GetOffersResponse__Output>
      GetStandingRequest: MessageTypeDefinition<_chrysalis_v1_GetStandingRequest, _chrysalis_v1_GetStandingRequest__Output>
      HelloAsk: MessageTypeDefinition<_chrysalis_v1_HelloAsk, _chrysalis_v1_HelloAsk__Output>
      InferRequest: MessageTypeDefinition<_chrysalis_v1_InferRequest, _chrysalis_v1_InferRequest__Output>
      InferResponse: MessageTypeDefinition<_chrysalis_v1_InferResponse, _chrysalis_v1_InferResponse__Output>
      Inference: SubtypeConstructor<typeof grpc.Client, _chrysalis_v1_InferenceClient> & { service: _chrysalis_v1_InferenceDefinition }
      Join: MessageTypeDefinition<_chrysalis_v1_Join, _chrysalis_v1_Join__Output>
      Lease: MessageTypeDefinition<_chrysalis_v1_Lease, _chrysalis_v1_Lease__Output>
      ListModelsRequest: MessageTypeDefinition<_chrysalis_v1_ListModelsRequest, _chrysalis_v1_ListModelsRequest__Output>
      ListModelsResponse: MessageTypeDefinition<_chrysalis_v1_ListModelsResponse, _chrysalis_v1_ListModelsResponse__Output>
      Model: MessageTypeDefinition<_chrysalis_v1_Model, _chrysalis_v1_Model__Output>
      Offer: MessageTypeDefinition<_chrysalis_v1_Offer, _chrysalis_v1_Offer__Output>
      OfferAnswer: MessageTypeDefinition<_chrysalis_v1_OfferAnswer, _chrysalis_v1_OfferAnswer__Output>
      Open: MessageTypeDefinition<_chrysalis_v1_Open, _chrysalis_v1_Open__Output>
      OpenCheck: MessageTypeDefinition<_chrysalis_v1_OpenCheck, _chrysalis_v1_OpenCheck__Output>
      Refusal: MessageTypeDefinition<_chrysalis_v1_Refusal, _chrysalis_v1_Refusal__Output>
      RenewalRequest: MessageTypeDefinition<_chrysalis_v1_RenewalRequest, _chrysalis_v1_RenewalRequest__Output>
      Resume: MessageTypeDefinition<_chrysalis_v1_Resume, _chrysalis_v1_Resume__Output>
      RouterMessage: MessageTypeDefinition<_chrysalis_v1_RouterMessage, _chrysalis_v1_RouterMessage__Output>
      ServeFromRouter: MessageTypeDefinition<_chrysalis_v1_ServeFromRouter, _chrysalis_v1_ServeFromRouter__Output>
      ServeFromWorker: MessageTypeDefinition<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromWorker__Output>
      ServeOpen: MessageTypeDefinition<_chrysalis_v1_ServeOpen, _chrysalis_v1_ServeOpen__Output>
      SignedReceipt: MessageTypeDefinition<_chrysalis_v1_SignedReceipt, _chrysalis_v1_SignedReceipt__Output>
      Standing: MessageTypeDefinition<_chrysalis_v1_Standing, _chrysalis_v1_Standing__Output>
      StandingRefusal: MessageTypeDefinition<_chrysalis_v1_StandingRefusal, _chrysalis_v1_StandingRefusal__Output>
      WorkerAttachment: SubtypeConstructor<typeof grpc.Client, _chrysalis_v1_WorkerAttachmentClient> & { service: _chrysalis_v1_WorkerAttachmentDefinition }
      WorkerMessage: MessageTypeDefinition<_chrysalis_v1_WorkerMessage, _chrysalis_v1_WorkerMessage__Output>
      WorkerStatus: MessageTypeDefinition<_chrysalis_v1_WorkerStatus, _chrysalis_v1_WorkerStatus__Output>
      WorkerVoucher: MessageTypeDefinition<_chrysalis_v1_WorkerVoucher, _chrysalis_v1_WorkerVoucher__Output>
    }
  }
}

