// Storage Commitment (PS3.4 J), Modality Performed Procedure Step (PS3.4 F), Instance Availability (PS3.4 R).
#include "dcmtk/config/osconfig.h"
// DCMTK asks for its configuration first.
#include "dcmtk/dcmdata/dcdeftag.h"
#include "dimse/data_sets.h"
#include "dimse/session.h"
#include "dimse/sop_classes.h"

namespace rouage::dimse {
namespace {

std::string first_study(DcmItem& step) {
  std::string study = text_in(step, DCM_StudyInstanceUID);
  for_each_item(step, DCM_ScheduledStepAttributesSequence, [&](DcmItem& scheduled) {
    if (study.empty()) study = text_in(scheduled, DCM_StudyInstanceUID);
  });
  return dicom::valid_uid(study) ? study : std::string();
}

void add_instances(std::vector<std::string>& instances, DcmItem& series, const DcmTagKey& sequence) {
  for (auto& [sop_class, instance] : referenced(series, sequence)) instances.push_back(std::move(instance));
}

std::vector<Services::SeriesList> lists_of_step(DcmItem& step, const std::string& message_uid,
                                                const std::string& study) {
  std::vector<Services::SeriesList> lists;
  const std::string state = text_in(step, DCM_PerformedProcedureStepStatus);
  for_each_item(step, DCM_PerformedSeriesSequence, [&](DcmItem& series) {
    Services::SeriesList list{state, message_uid, study, text_in(series, DCM_SeriesInstanceUID), {}};
    if (!dicom::valid_uid(list.series_instance_uid)) return;
    add_instances(list.sop_instances, series, DCM_ReferencedImageSequence);
    add_instances(list.sop_instances, series, DCM_ReferencedNonImageCompositeSOPInstanceSequence);
    lists.push_back(std::move(list));
  });
  return lists;
}

std::vector<Services::SeriesList> lists_of_availability(DcmItem& notice, const std::string& message_uid) {
  std::vector<Services::SeriesList> lists;
  const std::string study = first_study(notice);
  for_each_item(notice, DCM_ReferencedSeriesSequence, [&](DcmItem& series) {
    Services::SeriesList list{"IAN", message_uid, study, text_in(series, DCM_SeriesInstanceUID), {}};
    if (!dicom::valid_uid(list.series_instance_uid)) return;
    add_instances(list.sop_instances, series, DCM_ReferencedSOPSequence);
    lists.push_back(std::move(list));
  });
  return lists;
}

std::vector<std::string> instances_only(const Instances& pairs) {
  std::vector<std::string> instances;
  for (const auto& [sop_class, instance] : pairs) instances.push_back(instance);
  return instances;
}

}  // namespace

void Session::action(const Message& request) {
  const Bytes bytes = request.command.with_data() ? data_of(request) : Bytes();
  if (request.command.text(Field::requested_sop_class) != sop::kCommitment)
    return answer(request, {codes::kNoSuchSopClass, "only Storage Commitment has an action here"});
  if (request.command.number(Field::action_type) != 1)
    return answer(request, {codes::kNoSuchAction, "Storage Commitment has action 1 only"});
  answer(request, guarded([&]() -> Status {
           DcmDataset data_set = decoded(bytes, syntax_of(request));
           const std::string transaction = text_in(data_set, DCM_TransactionUID);
           if (!dicom::valid_uid(transaction))
             throw Error(ErrorCode::RequestInvalid, "no valid Transaction UID").tag("(0008,1195)");
           return services_.commitment(transaction, referenced(data_set, DCM_ReferencedSOPSequence));
         }));
}

void Session::event_report(const Message& request) {
  const Bytes bytes = request.command.with_data() ? data_of(request) : Bytes();
  if (request.command.text(Field::affected_sop_class) != sop::kCommitment)
    return answer(request, {codes::kNoSuchSopClass, "only Storage Commitment reports here"});
  answer(request, guarded([&]() -> Status {
           DcmDataset data_set = decoded(bytes, syntax_of(request));
           const std::string transaction = text_in(data_set, DCM_TransactionUID);
           if (!dicom::valid_uid(transaction))
             throw Error(ErrorCode::RequestInvalid, "no valid Transaction UID").tag("(0008,1195)");
           return services_.committed(transaction, instances_only(referenced(data_set, DCM_ReferencedSOPSequence)),
                                      instances_only(referenced(data_set, DCM_FailedSOPSequence)));
         }));
}

void Session::create_or_set(const Message& request) {
  const Bytes bytes = request.command.with_data() ? data_of(request) : Bytes();
  const bool create = request.command.is(Verb::n_create);
  const std::string sop_class = request.command.text(create ? Field::affected_sop_class : Field::requested_sop_class);
  const bool step = sop_class == sop::kPerformedStep, notice = create && sop_class == sop::kInstanceAvailability;
  if (!step && !notice) return answer(request, {codes::kNoSuchSopClass, "neither MPPS nor Instance Availability"});
  Message named = request;
  std::string uid = request.command.text(create ? Field::affected_sop_instance : Field::requested_sop_instance);
  if (create && uid.empty()) {
    // PS3.7 10.1.5: the receiver names it then.
    uid = derived_uid({"received notice", association_.caller().calling_ae, sha256(bytes).hex()});
    named.command.set_uid(Field::affected_sop_instance, uid);
  }
  if (!dicom::valid_uid(uid)) return answer(request, {codes::kInvalidInstance, "the SOP instance is no valid UID"});
  answer(named, guarded([&]() -> Status {
           DcmDataset data_set = decoded(bytes, syntax_of(request));
           std::string& study = studies_of_steps_[uid];
           if (study.empty()) study = first_study(data_set);
           const auto lists = step ? lists_of_step(data_set, uid, study) : lists_of_availability(data_set, uid);
           return lists.empty() ? Status{} : services_.series_lists(lists);
         }));
}

}  // namespace rouage::dimse
