#include <algorithm>
#include <array>

#include "receive/hl7.h"
#include "receive/hl7_syntax.h"

namespace rouage::receive {
namespace {

/// A message's segments in the groups that its orders, reports or merges make.
using Group = std::vector<const Segment*>;

struct Reading {
  const SplitMessage& message;
  const Hl7Options& options;
  std::string get(const Segment* segment, std::size_t field, std::size_t c = 1) const {
    return segment == nullptr ? std::string{} : component(message, *segment, field, c);
  }
  std::string whole(const Segment* segment, std::size_t field) const {
    return segment == nullptr ? std::string{} : unescaped(raw_field(*segment, field), message);
  }
};

const Segment* find(const Group& group, std::string_view name) {
  const auto found = std::find_if(group.begin(), group.end(), [&](const Segment* s) { return s->name == name; });
  return found == group.end() ? nullptr : *found;
}

std::string first_of(std::initializer_list<std::string> texts) {
  for (const std::string& text : texts)
    if (!text.empty()) return text;
  return {};
}

void add_line(std::string& text, const std::string& line) {
  if (line.empty()) return;
  if (!text.empty()) text += '\n';
  text += line;
}

/// CX: id, and who assigned it (HD: the name, else the universal id).
struct Identifier {
  std::string id, issuer, type;
};
Identifier identifier(const Reading& reading, std::string_view repetition) {
  const SplitMessage& m = reading.message;
  const std::string_view authority = part(repetition, m.header.component, 4);
  const char sub = m.header.subcomponent;
  return {component_of(m, repetition, 1),
          first_of({unescaped(part(authority, sub, 1), m), unescaped(part(authority, sub, 2), m)}),
          component_of(m, repetition, 5)};
}

/// Of a repeating CX field the id that names the patient here.
Identifier chosen_identifier(const Reading& reading, const Segment* segment, std::size_t field) {
  if (segment == nullptr) return {};
  std::optional<Identifier> first, typed;
  for (const std::string_view repetition : parts(raw_field(*segment, field), reading.message.header.repetition)) {
    Identifier found = identifier(reading, repetition);
    if (found.id.empty()) continue;
    if (!reading.options.preferred_authority.empty() && found.issuer == reading.options.preferred_authority)
      return found;
    if (!typed && (found.type == "MR" || found.type == "PI" || found.type == "PT")) typed = found;
    if (!first) first = std::move(found);
  }
  if (typed && reading.options.preferred_authority.empty()) return *typed;
  return first.value_or(Identifier{});
}

/// XPN (family^given^middle^suffix^prefix) as DICOM's PN (family^given^middle^prefix^suffix); ideographic and phonetic
/// repetitions (XPN-8: I, P) as its further component groups.
std::string person_name(const Reading& reading, const Segment* segment, std::size_t field) {
  if (segment == nullptr) return {};
  std::array<std::string, 3> groups;
  for (const std::string_view repetition : parts(raw_field(*segment, field), reading.message.header.repetition)) {
    const auto piece = [&](std::size_t c) {
      std::string text = component_of(reading.message, repetition, c);
      std::replace_if(
          text.begin(), text.end(), [](char x) { return x == '^' || x == '=' || x == '\\'; }, ' ');
      return text;
    };
    std::string name = piece(1) + "^" + piece(2) + "^" + piece(3) + "^" + piece(5) + "^" + piece(4);
    while (!name.empty() && name.back() == '^') name.pop_back();
    const std::string form = piece(8);
    std::string& group = groups[form == "I" ? 1 : form == "P" ? 2 : 0];
    if (group.empty()) group = std::move(name);
  }
  std::string joined = groups[0] + "=" + groups[1] + "=" + groups[2];
  while (!joined.empty() && joined.back() == '=') joined.pop_back();
  return joined;
}

/// YYYYMMDD of a time stamp, "" when it is not a day.
std::string day_of(const std::string& stamp) {
  const std::string day = stamp.substr(0, 8);
  const bool digits =
      day.size() == 8 && std::all_of(day.begin(), day.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? day : std::string{};
}

void read_patient(const Reading& reading, const Segment* pid, OrderMessage& order) {
  Identifier id = chosen_identifier(reading, pid, 3);
  if (id.id.empty()) id = chosen_identifier(reading, pid, 2);  // 2.3 and older senders
  order.patient_id = id.id;
  order.issuer = id.issuer;
  order.patient_name = person_name(reading, pid, 5);
  order.birth_date = day_of(reading.get(pid, 7));
  const std::string sex = reading.get(pid, 8);
  order.sex = sex == "M" || sex == "F" || sex == "O" ? sex : "";
}

bool valid_uid(std::string_view uid) {
  return dicom::valid_uid(uid);
}

/// IPC-3, ZDS-1 (IHE RAD-4), or an OBX that is coded as the study's UID (DCM 113014, IHE RAD-28).
std::string study_uid(const Reading& reading, const Group& group) {
  for (const Segment* segment : group) {
    std::string uid;
    if (segment->name == "IPC") uid = reading.get(segment, 3);
    if (segment->name == "ZDS") uid = reading.get(segment, 1);
    if (segment->name == "OBX" && reading.get(segment, 3) == "113014") uid = reading.get(segment, 5);
    if (!uid.empty() && valid_uid(uid)) return uid;
  }
  return {};
}

std::string coded_text(const Reading& reading, std::string_view repetition) {
  return first_of({component_of(reading.message, repetition, 2), component_of(reading.message, repetition, 9),
                   component_of(reading.message, repetition, 5), component_of(reading.message, repetition, 1)});
}

/// Why the examination is asked for: reason (OBR-31, ORC-16), clinical information (OBR-13), diagnoses (DG1), notes.
std::string clinical_question(const Reading& reading, const Group& group) {
  std::vector<std::string> lines;
  const auto add = [&](std::string line) {
    if (!line.empty() && std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
  };
  const char repetition = reading.message.header.repetition;
  for (const Segment* segment : group) {
    if (segment->name == "OBR") {
      for (const std::string_view reason : parts(raw_field(*segment, 31), repetition)) add(coded_text(reading, reason));
      for (const std::string_view info : parts(raw_field(*segment, 13), repetition))
        add(unescaped(info, reading.message));
    } else if (segment->name == "ORC") {
      add(coded_text(reading, raw_field(*segment, 16)));
    } else if (segment->name == "DG1") {
      add(first_of({reading.get(segment, 4), coded_text(reading, raw_field(*segment, 3))}));
    } else if (segment->name == "NTE") {
      for (const std::string_view note : parts(raw_field(*segment, 3), repetition))
        add(unescaped(note, reading.message));
    }
  }
  std::string text;
  for (const std::string& line : lines) add_line(text, line);
  return text;
}

void read_order(const Reading& reading, const Group& group, OrderMessage& order) {
  const Segment* orc = find(group, "ORC");
  const Segment* obr = find(group, "OBR");
  const Segment* tq1 = find(group, "TQ1");
  const Segment* ipc = find(group, "IPC");
  order.placer_order = first_of({reading.get(orc, 2), reading.get(obr, 2)});
  order.filler_order = first_of({reading.get(orc, 3), reading.get(obr, 3)});
  order.accession_number = first_of({reading.get(ipc, 1), reading.whole(obr, 18), order.filler_order});
  order.study_instance_uid = study_uid(reading, group);
  order.procedure_code = first_of({reading.get(obr, 4), reading.get(obr, 44)});
  order.procedure_text = first_of({reading.get(obr, 4, 2), reading.get(obr, 4, 5), reading.get(obr, 44, 2)});
  order.priority =
      first_of({reading.get(tq1, 9), reading.get(obr, 27, 6), reading.get(orc, 7, 6), reading.get(obr, 5)});
  order.scheduled_at =
      first_of({reading.get(tq1, 7), reading.get(obr, 36), reading.get(obr, 27, 4), reading.get(orc, 7, 4)});
  order.status = first_of({reading.get(orc, 1), reading.get(orc, 5)});
}

/// One OBX as lines of text; documents (ED, RP) and numbers without words stay in `raw` only.
std::string observation_text(const Reading& reading, const Segment& obx) {
  const std::string type = reading.get(&obx, 2);
  const std::string_view value = raw_field(obx, 5);
  std::string text;
  if (type == "ED" || type == "RP" || reading.get(&obx, 3) == "113014") return text;
  const bool coded = type == "CE" || type == "CWE" || type == "CNE";
  for (const std::string_view line : parts(value, reading.message.header.repetition))
    add_line(text, coded ? coded_text(reading, line) : unescaped(line, reading.message));
  if (type == "NM" || type == "SN") {
    const std::string name = first_of({reading.get(&obx, 3, 2), reading.get(&obx, 3)});
    if (!text.empty()) text = name + ": " + text + " " + reading.get(&obx, 6);
  }
  return text;
}

void read_report(const Reading& reading, const Group& group, OrderMessage& order) {
  const Segment* obr = find(group, "OBR");
  order.report_status = first_of({reading.get(obr, 25), reading.get(find(group, "OBX"), 11)});
  order.report_at = first_of({reading.get(obr, 22), reading.get(obr, 7)});
  for (const Segment* segment : group)
    if (segment->name == "OBX") add_line(order.report_text, observation_text(reading, *segment));
}

/// Orders and reports: a group begins at ORC, or at an OBR that no ORC announced. Segments before the first group
/// (NTE, DG1, IPC of a sloppy sender) belong to all.
std::vector<Group> order_groups(const SplitMessage& message) {
  std::vector<Group> groups;
  Group before;
  for (const Segment& segment : message.segments) {
    const bool announced = !groups.empty() && find(groups.back(), "OBR") == nullptr;
    if (segment.name == "ORC" || (segment.name == "OBR" && !announced))
      groups.push_back({&segment});
    else if (!groups.empty())
      groups.back().push_back(&segment);
    else if (segment.name != "MSH" && segment.name != "PID")
      before.push_back(&segment);
  }
  for (Group& group : groups) group.insert(group.end(), before.begin(), before.end());
  return groups;
}

/// Merges: PID, PD1, MRG, PV1 repeat.
std::vector<Group> merge_groups(const SplitMessage& message) {
  std::vector<Group> groups;
  for (const Segment& segment : message.segments) {
    if (segment.name == "PID") groups.emplace_back();
    if (!groups.empty()) groups.back().push_back(&segment);
  }
  return groups;
}

struct Assembly {
  ParsedMessage& parsed;
  const Reading& reading;
  OrderMessage base;

  bool refuse(Verdict::Kind kind, int condition, std::string location, std::string text) const {
    parsed.verdict = {kind, condition, std::move(text), std::move(location)};
    parsed.messages.clear();
    return false;
  }
  void add(OrderMessage order) const {
    if (!parsed.messages.empty()) order.control_id += "/" + std::to_string(parsed.messages.size() + 1);
    parsed.messages.push_back(std::move(order));
  }
};

bool assemble_merges(const Assembly& assembly) {
  const std::vector<Group> groups = merge_groups(assembly.reading.message);
  if (groups.empty()) return assembly.refuse(Verdict::Kind::in_error, 100, "PID", "a merge without PID");
  if (groups.size() > assembly.reading.options.limits.orders)
    return assembly.refuse(Verdict::Kind::in_error, 207, "", "more merges than the limit");
  for (const Group& group : groups) {
    OrderMessage order = assembly.base;
    read_patient(assembly.reading, find(group, "PID"), order);
    const Segment* mrg = find(group, "MRG");
    if (mrg == nullptr) return assembly.refuse(Verdict::Kind::in_error, 100, "MRG", "a merge without MRG");
    Identifier old = chosen_identifier(assembly.reading, mrg, 1);
    if (old.id.empty()) old = chosen_identifier(assembly.reading, mrg, 4);  // 2.3: prior patient id
    if (order.patient_id.empty())
      return assembly.refuse(Verdict::Kind::in_error, 101, "PID-3", "a merge without the patient's id");
    if (old.id.empty())
      return assembly.refuse(Verdict::Kind::in_error, 101, "MRG-1", "a merge without the id that is given up");
    if (old.id == order.patient_id && old.issuer == order.issuer)
      return assembly.refuse(Verdict::Kind::in_error, 102, "MRG-1", "a patient cannot be merged into itself");
    order.merged_patient_id = old.id;
    order.merged_issuer = old.issuer;
    assembly.add(std::move(order));
  }
  return true;
}

bool assemble_update(const Assembly& assembly) {
  Group all;
  for (const Segment& segment : assembly.reading.message.segments) all.push_back(&segment);
  OrderMessage order = assembly.base;
  read_patient(assembly.reading, find(all, "PID"), order);
  if (order.patient_id.empty())
    return assembly.refuse(Verdict::Kind::in_error, 101, "PID-3", "an update without the patient's id");
  assembly.add(std::move(order));
  return true;
}

bool assemble_orders(const Assembly& assembly, bool report) {
  const SplitMessage& message = assembly.reading.message;
  const std::vector<Group> groups = order_groups(message);
  if (groups.empty())
    return assembly.refuse(Verdict::Kind::in_error, 100, "OBR", "an order or report without ORC or OBR");
  if (groups.size() > assembly.reading.options.limits.orders)
    return assembly.refuse(Verdict::Kind::in_error, 207, "", "more orders than the limit");
  const auto pid =
      std::find_if(message.segments.begin(), message.segments.end(), [](const Segment& s) { return s.name == "PID"; });
  OrderMessage patient = assembly.base;
  if (pid != message.segments.end()) read_patient(assembly.reading, &*pid, patient);
  if (patient.patient_id.empty())
    return assembly.refuse(Verdict::Kind::in_error, 101, "PID-3", "an order or report without the patient's id");
  for (const Group& group : groups) {
    OrderMessage order = patient;
    read_order(assembly.reading, group, order);
    if (report)
      read_report(assembly.reading, group, order);
    else
      order.clinical_question = clinical_question(assembly.reading, group);
    const auto named = [](const OrderMessage& m) {
      return !m.accession_number.empty() || !m.placer_order.empty() || !m.study_instance_uid.empty();
    };
    if (!named(order) && report && !assembly.parsed.messages.empty()) {  // a further part of the same report
      const OrderMessage& first = assembly.parsed.messages.front();
      order.accession_number = first.accession_number;
      order.placer_order = first.placer_order;
      order.filler_order = first.filler_order;
      order.study_instance_uid = first.study_instance_uid;
    }
    if (!named(order))
      return assembly.refuse(Verdict::Kind::in_error, 101, "OBR-18",
                             "an order or report without accession, order number or study UID");
    assembly.add(std::move(order));
  }
  return true;
}

/// MSH into the header. False (with the verdict set) when the message cannot be answered or dispatched.
bool read_header(const Reading& reading, Hl7Header& header, Verdict& verdict) {
  const Segment* msh = &reading.message.segments.front();
  const Hl7Header delimiters = reading.message.header;
  header = delimiters;
  header.sending_application = reading.get(msh, 3);
  header.sending_facility = reading.get(msh, 4);
  header.receiving_application = reading.get(msh, 5);
  header.receiving_facility = reading.get(msh, 6);
  header.message_code = reading.get(msh, 9);
  header.trigger = reading.get(msh, 9, 2);
  header.control_id = reading.whole(msh, 10);
  header.processing_id = reading.get(msh, 11);
  header.version = reading.get(msh, 12);
  header.accept_ack = reading.get(msh, 15);
  header.application_ack = reading.get(msh, 16);
  header.charset = reading.get(msh, 18);
  if (header.control_id.empty()) {
    verdict = {Verdict::Kind::rejected, 101, "a message without control id cannot be told from its repetition",
               "MSH-10"};
    return false;
  }
  if (header.message_code.empty()) {
    verdict = {Verdict::Kind::rejected, 101, "a message without type", "MSH-9"};
    return false;
  }
  return true;
}

/// The trigger of a message whose sender left MSH-9.2 out, as 2.2 allowed.
std::string type_of(const Hl7Header& header) {
  if (header.message_code == "ORM" && header.trigger.empty()) return "ORM^O01";
  if (header.message_code == "ORU" && header.trigger.empty()) return "ORU^R01";
  return header.type();
}

}  // namespace

ParsedMessage parse_message(std::string_view bytes, const Hl7Options& options) {
  ParsedMessage parsed;
  SplitMessage message;
  const bool whole = split_message(bytes, options, message, parsed.verdict, parsed.warnings);
  parsed.header = message.header;
  if (message.segments.empty()) return parsed;
  const Reading reading{message, options};
  Verdict header_verdict;
  const bool named = read_header(reading, parsed.header, header_verdict);
  parsed.has_header = !parsed.header.control_id.empty();
  if (!whole) return parsed;
  if (!named) {
    parsed.verdict = header_verdict;
    return parsed;
  }
  OrderMessage base;
  base.message_type = type_of(parsed.header);
  base.control_id = parsed.header.control_id;
  base.sender = parsed.header.sender();
  base.raw = message.text;
  const Assembly assembly{parsed, reading, base};
  const std::string& type = base.message_type;
  if (type == "ADT^A40")
    assemble_merges(assembly);
  else if (type == "ADT^A08")
    assemble_update(assembly);
  else if (type == "ORM^O01" || type == "OMI^O23")
    assemble_orders(assembly, false);
  else if (type == "ORU^R01")
    assemble_orders(assembly, true);
  else {
    const std::string& code = parsed.header.message_code;
    const bool code_known = code == "ADT" || code == "ORM" || code == "OMI" || code == "ORU";
    assembly.refuse(Verdict::Kind::rejected, code_known ? 201 : 200, "MSH-9",
                    code_known ? "this event is not used here" : "this type of message is not used here");
  }
  return parsed;
}

}  // namespace rouage::receive
