#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/service.h"
#include "receive/hl7.h"
#include "receive/hl7_syntax.h"

namespace rouage::receive {
namespace {

const char* condition_text(int condition) {
  switch (condition) {
    case 100:
      return "Segment sequence error";
    case 101:
      return "Required field missing";
    case 102:
      return "Data type error";
    case 200:
      return "Unsupported message type";
    case 201:
      return "Unsupported event code";
    default:
      return "Application internal error";
  }
}

/// "20261124083000.250+0000" of UTC seconds.
std::string stamp(double utc_s) {
  const std::string iso = utc_text(utc_s);  // 2026-11-24T08:30:00.250Z
  std::string out;
  for (const char c : iso)
    if ((c >= '0' && c <= '9') || c == '.') out += c;
  return out + "+0000";
}

bool newer_than_2_4(const std::string& version) {
  return version.size() >= 3 && version[0] == '2' && version[1] == '.' && version[2] >= '5';
}

/// ERR by the sender's version: a coded location with codes up to 2.4, fields of their own from 2.5 on.
std::string error_segment(const Hl7Header& header, const Verdict& verdict) {
  const char f = header.field, c = header.component == '\0' ? '^' : header.component;
  const std::size_t dash = verdict.location.find('-');
  const std::string segment = verdict.location.substr(0, dash);
  const std::string field = dash == std::string::npos ? std::string{} : verdict.location.substr(dash + 1);
  if (!newer_than_2_4(header.version)) {
    const char s = header.subcomponent == '\0' ? '&' : header.subcomponent;
    return fmt::format("ERR{}{}{}1{}{}{}{}{}{}\r", f, segment, c, c, field, c, verdict.condition, s,
                       escaped(condition_text(verdict.condition), header));
  }
  const std::string place = segment.empty() ? std::string{} : segment + c + "1" + (field.empty() ? "" : c + field);
  const std::string code =
      fmt::format("{}{}{}{}HL70357", verdict.condition, c, escaped(condition_text(verdict.condition), header), c);
  std::string out = "ERR";
  for (const std::string& value : {std::string{}, place, code, std::string("E"), std::string{}, std::string{},
                                   std::string{}, escaped(verdict.text, header)})
    out += f + value;
  return out + '\r';
}

std::string answer(const Hl7Header& header, const Verdict& verdict, const Hl7Options& options, double now_utc_s,
                   const std::string& code) {
  static std::atomic<std::uint32_t> count{0};
  const char f = header.field, c = header.component == '\0' ? '^' : header.component;
  const auto text = [&](const std::string& value) { return escaped(value, header); };
  std::string set(1, c);  // the sender's delimiters, as in its MSH-2
  for (const char d : {header.repetition, header.escape, header.subcomponent})
    if (d != '\0') set += d;
  const std::string id = fmt::format("R{:x}{:x}", static_cast<std::uint64_t>(now_utc_s), count++ & 0xFFFFFU);
  std::string out = fmt::format("MSH{}{}{}{}{}{}{}{}{}{}{}{}{}ACK", f, set, f, text(options.application), f,
                                text(options.facility), f, text(header.sending_application), f,
                                text(header.sending_facility), f, stamp(now_utc_s), std::string(2, f));
  if (!header.trigger.empty()) out += c + text(header.trigger) + c + "ACK";
  out += fmt::format("{}{}{}{}{}{}", f, id, f, header.processing_id.empty() ? "P" : text(header.processing_id), f,
                     header.version.empty() ? "2.3" : text(header.version));
  const auto above_ascii = [](char x) { return static_cast<unsigned char>(x) > 0x7F; };
  const std::string echoed = header.sending_application + header.sending_facility + header.control_id;
  if (std::any_of(echoed.begin(), echoed.end(), above_ascii)) out += std::string(6, f) + "UNICODE UTF-8";  // MSH-18
  out += '\r';
  out += fmt::format("MSA{}{}{}{}", f, code, f, text(header.control_id));
  if (!verdict.text.empty()) out += f + text(verdict.text);
  out += '\r';
  if (verdict.condition != 0) out += error_segment(header, verdict);
  return out;
}

std::string application_code(Verdict::Kind kind) {
  if (kind == Verdict::Kind::accepted) return "AA";
  return kind == Verdict::Kind::in_error ? "AE" : "AR";
}
std::string accept_code(Verdict::Kind kind) {
  if (kind == Verdict::Kind::accepted) return "CA";
  return kind == Verdict::Kind::rejected ? "CR" : "CE";
}

/// MSH-15, MSH-16 (table 0155): always, never, on error, on success.
bool asked(const std::string& when, bool good) {
  return when == "AL" || (when == "ER" && !good) || (when == "SU" && good);
}

}  // namespace

std::vector<std::string> acknowledgements(const Hl7Header& header, const Verdict& verdict, const Hl7Options& options,
                                          double now_utc_s) {
  const bool good = verdict.kind == Verdict::Kind::accepted;
  if (header.accept_ack.empty() && header.application_ack.empty())
    return {answer(header, verdict, options, now_utc_s, application_code(verdict.kind))};
  std::vector<std::string> answers;
  if (asked(header.accept_ack, good))
    answers.push_back(answer(header, verdict, options, now_utc_s, accept_code(verdict.kind)));
  if (asked(header.application_ack, good))
    answers.push_back(answer(header, verdict, options, now_utc_s, application_code(verdict.kind)));
  return answers;
}

}  // namespace rouage::receive
