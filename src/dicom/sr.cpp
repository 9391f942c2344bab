/// SR documents (PS3.3 A.35): the content tree as nested sequences, the document modules around it.
#include <charconv>
#include <map>
#include <set>

#include "base/error.h"
#include "dicom/writing_frame.h"

namespace rouage::dicom {
namespace {

constexpr std::string_view kKeyObjectSelection = "1.2.840.10008.5.1.4.1.1.88.59";

std::string_view value_type(SrItem::Type type) {
  switch (type) {
    case SrItem::Type::container:
      return "CONTAINER";
    case SrItem::Type::code:
      return "CODE";
    case SrItem::Type::text:
      return "TEXT";
    case SrItem::Type::num:
      return "NUM";
    case SrItem::Type::uidref:
      return "UIDREF";
    case SrItem::Type::pname:
      return "PNAME";
    case SrItem::Type::date:
      return "DATE";
    case SrItem::Type::datetime:
      return "DATETIME";
    case SrItem::Type::image:
      return "IMAGE";
    case SrItem::Type::composite:
      return "COMPOSITE";
    case SrItem::Type::scoord:
      return "SCOORD";
  }
  throw Error(ErrorCode::Internal, "an SR value type without a name");
}

void add_container(Item& item, const SrItem& node) {
  item.code_string(DCM_ContinuityOfContent, node.continuity_separate ? "SEPARATE" : "CONTINUOUS");
  if (node.template_id.empty()) return;
  Item& content_template = item.add_item(DCM_ContentTemplateSequence);
  content_template.code_string(DCM_MappingResource, "DCMR");
  content_template.code_string(DCM_TemplateIdentifier, node.template_id);
}

void add_number(Item& item, const SrItem& node, const Texts& texts) {
  Item& measured = item.add_item(DCM_MeasuredValueSequence);
  const std::string decimal = decimal_string(node.number);
  measured.text(DCM_NumericValue, "DS", decimal);
  double read_back = 0;
  std::from_chars(decimal.data(), decimal.data() + decimal.size(), read_back);
  if (read_back != node.number) measured.float64(DCM_FloatingPointValue, node.number);
  add_code(measured, DCM_MeasurementUnitsCodeSequence, node.unit, texts);
}

void add_image(Item& item, const ImageReference& reference) {
  Item& referenced = item.add_item(DCM_ReferencedSOPSequence);
  add_reference(referenced, reference.sop_class_uid, reference.sop_instance_uid);
  if (reference.frame > 0) referenced.integer_string(DCM_ReferencedFrameNumber, reference.frame);
  if (reference.segment > 0)
    referenced.unsigned_shorts(DCM_ReferencedSegmentNumber, {static_cast<std::uint16_t>(reference.segment)});
}

void add_coordinates(Item& item, const SrItem& node) {
  std::vector<float> values;
  values.reserve(node.points.size() * 2);
  for (const Point& point : node.points) {
    values.push_back(static_cast<float>(point.x));
    values.push_back(static_cast<float>(point.y));
  }
  if (values.empty()) throw Error(ErrorCode::WriteInvalid, "a region without points").tag("(0070,0022) GraphicData");
  item.floats(DCM_GraphicData, values);
  item.code_string(DCM_GraphicType, node.graphic_type);
}

void add_value(Item& item, const SrItem& node, const Texts& texts) {
  switch (node.type) {
    case SrItem::Type::container:
      add_container(item, node);
      break;
    case SrItem::Type::code:
      add_code(item, DCM_ConceptCodeSequence, node.code, texts);
      break;
    case SrItem::Type::text:
      item.text(DCM_TextValue, "UT", texts.ut(node.text));
      break;
    case SrItem::Type::num:
      add_number(item, node, texts);
      break;
    case SrItem::Type::uidref:
      item.uid(DCM_UID, node.text);
      break;
    case SrItem::Type::pname:
      item.text(DCM_PersonName, "PN", texts.lo(node.text));
      break;
    case SrItem::Type::date:
      item.text(DCM_Date, "DA", node.text);
      break;
    case SrItem::Type::datetime:
      item.text(DCM_DateTime, "DT", node.text);
      break;
    case SrItem::Type::image:
    case SrItem::Type::composite:
      add_image(item, node.reference);
      break;
    case SrItem::Type::scoord:
      add_coordinates(item, node);
      break;
  }
}

void fill_node(Item& item, const SrItem& node, const Texts& texts) {
  if (!node.relationship.empty()) item.code_string(DCM_RelationshipType, node.relationship);
  if (!node.by_reference.empty()) {
    std::vector<std::uint32_t> path;
    for (const int position : node.by_reference) path.push_back(static_cast<std::uint32_t>(position));
    item.unsigned_longs(DCM_ReferencedContentItemIdentifier, path);
    return;
  }
  item.code_string(DCM_ValueType, value_type(node.type));
  if (node.concept_name) add_code(item, DCM_ConceptNameCodeSequence, *node.concept_name, texts);
  add_value(item, node, texts);
  for (const SrItem& child : node.children) fill_node(item.add_item(DCM_ContentSequence), child, texts);
}

/// Study -> series -> instances, each in the order of its UID, without repetition.
void add_evidence(Item& item, const std::vector<ImageReference>& evidence) {
  std::map<std::string, std::map<std::string, std::map<std::string, std::string>>> studies;
  for (const ImageReference& reference : evidence)
    studies[reference.study_instance_uid][reference.series_instance_uid][reference.sop_instance_uid] =
        reference.sop_class_uid;
  for (const auto& [study_uid, all_series] : studies) {
    Item& study = item.add_item(DCM_CurrentRequestedProcedureEvidenceSequence);
    study.uid(DCM_StudyInstanceUID, study_uid);
    for (const auto& [series_uid, instances] : all_series) {
      Item& series = study.add_item(DCM_ReferencedSeriesSequence);
      series.uid(DCM_SeriesInstanceUID, series_uid);
      for (const auto& [instance_uid, class_uid] : instances)
        add_reference(series.add_item(DCM_ReferencedSOPSequence), class_uid, instance_uid);
    }
  }
}

}  // namespace

Bytes write_sr(const SrObject& object) {
  const bool key_objects = object.sop_class_uid == kKeyObjectSelection;
  Item item = framed_item(object.frame, object.sop_class_uid, key_objects ? "KO" : "SR");
  const Texts texts(object.frame.source.character_set);
  item.empty_sequence(DCM_ReferencedPerformedProcedureStepSequence);
  add_content_time(item, object.frame, DCM_ContentDate, DCM_ContentTime, true);
  if (!key_objects) {
    item.code_string(DCM_CompletionFlag, object.preliminary ? "PARTIAL" : "COMPLETE");
    if (object.preliminary) item.text(DCM_CompletionFlagDescription, "LO", "AI result, not reviewed");
    item.code_string(DCM_PreliminaryFlag, object.preliminary ? "PRELIMINARY" : "FINAL");
    item.code_string(DCM_VerificationFlag, "UNVERIFIED");
    item.empty_sequence(DCM_PerformedProcedureCodeSequence);
  }
  add_coding_schemes(item);
  add_evidence(item, object.evidence);
  fill_node(item, object.root, texts);
  return file_bytes(item, object.sop_class_uid, object.frame.sop_instance_uid);
}

}  // namespace rouage::dicom
