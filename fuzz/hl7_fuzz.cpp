// A byte stream through MLLP framing, each message parsed and answered. Nothing may throw; an accepted message has what
// the store keys it by.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "receive/hl7.h"
#include "receive/mllp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rouage::receive;
  if (size == 0) return 0;
  Hl7Options options;
  options.limits.message_bytes = 1U << 16;
  const std::size_t step = 1 + data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  MllpFramer framer(options.limits.message_bytes);
  const auto read = [&](std::string_view message) {
    const ParsedMessage parsed = parse_message(message, options);
    for (const OrderMessage& order : parsed.messages)
      if (order.control_id.empty() || order.patient_id.empty()) std::abort();
    if (parsed.messages.empty() == (parsed.verdict.kind == Verdict::Kind::accepted)) std::abort();
    for (const std::string& answer : acknowledgements(parsed.header, parsed.verdict, options, 0))
      if (answer.find('\x0B') != std::string::npos || answer.find('\x1C') != std::string::npos) std::abort();
  };
  read(bytes);
  for (std::size_t at = 0; at < bytes.size() && framer.state() != MllpFramer::State::broken;) {
    const std::size_t used = framer.push(bytes.substr(at, step));
    at += used;
    if (framer.state() == MllpFramer::State::complete)
      read(framer.take());
    else if (used == 0)
      break;
  }
  return 0;
}
