/// HL7 v2 (2.3 to 2.8): messages to order values, acknowledgements, and the MLLP server that receives them.
///
///   ParsedMessage parsed = parse_message(bytes, {});              // never throws for what a sender wrote
///   for (const OrderMessage& m : parsed.messages) sink.note_message(m);
///   acknowledgements(parsed.header, parsed.verdict, {});          // "MSH|...\rMSA|AA|..."
///   MllpServer server({.port = 2575}, sink);  server.start();  server.stop(10);
///
/// Understood: ORM^O01, OMI^O23, ORU^R01, ADT^A08, ADT^A40. Lenient where senders are sloppy (line feeds, missing
/// trailing fields, undeclared bytes above 127), strict where a mistake would lose or mix something (MSH, message type,
/// control id, the patient's id, MRG of a merge). docs/formats/hl7.md maps every field. No TLS: put a TLS tunnel in
/// front when the message bus is not a closed network.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "receive/receive.h"

namespace rouage::receive {

/// What one message may take. A larger one is refused, not cut.
struct Hl7Limits {
  std::size_t message_bytes = 4 * 1024 * 1024;
  std::size_t segments = 20000;  ///< a report of many OBX lines has some hundreds
  std::size_t fields = 400;      ///< of one segment; the standard's longest has about 100
  std::size_t orders = 100;      ///< that one message may hold
};

struct Hl7Options {
  Hl7Limits limits;
  /// Of bytes above 127 when MSH-18 says nothing and they are not UTF-8: a name that iconv knows.
  std::string default_charset = "ISO-8859-1";
  /// Assigning authority whose id is taken when PID-3 repeats; "": the first repetition of type MR, PI or PT, else the
  /// first.
  std::string preferred_authority;
  std::string application = "ROUAGE", facility;  ///< MSH-3 and MSH-4 of our acknowledgements
};

/// What an answer needs of the message that it answers. Texts in UTF-8, unescaped, "" when absent.
struct Hl7Header {
  char field = '|', component = '^', repetition = '~', escape = '\\', subcomponent = '&';  ///< '\0': none
  std::string sending_application, sending_facility, receiving_application, receiving_facility;
  std::string message_code, trigger;  ///< "ORM", "O01"
  std::string control_id, processing_id, version, charset;
  std::string accept_ack, application_ack;  ///< MSH-15 and MSH-16: AL, NE, ER, SU; both "": original mode
  std::string type() const { return message_code + "^" + trigger; }
  std::string sender() const { return sending_application + "|" + sending_facility; }
};

/// What is said about a message. The condition codes are those of HL7 table 0357.
struct Verdict {
  enum class Kind {
    accepted,   ///< AA, CA
    in_error,   ///< AE, CE: its content cannot be used; sending it again will not help
    rejected,   ///< AR, CR: type, version or header not taken
    try_later,  ///< AR, CE: we could not keep it (disk, database, stop)
  };
  Kind kind = Kind::accepted;
  int condition = 0;  ///< 0 accepted; 100 segment sequence, 101 required field, 102 data type, 200 type, 201 event, 207
  std::string text;   ///< one English sentence without patient data
  std::string location;  ///< "PID-3"; "" the whole message
};

struct ParsedMessage {
  Hl7Header header;
  bool has_header = false;             ///< MSH was readable: the answer can name the message
  Verdict verdict;                     ///< `accepted` when `messages` may be handed on
  std::vector<OrderMessage> messages;  ///< one an order, report or merge; the second has "/2" after its control id
  std::vector<std::string> warnings;   ///< what was mended, without patient data
};

/// Reads one message (without MLLP framing). Never throws for bytes, whatever they are. Pure, thread-safe.
ParsedMessage parse_message(std::string_view bytes, const Hl7Options& options);

/// The answers in order, each "MSH...\rMSA...\r[ERR...\r]": none, one (original mode, or one of the two asked for), or
/// two (enhanced mode with both asked for: the accept acknowledgement first). `now_utc_s` dates them.
std::vector<std::string> acknowledgements(const Hl7Header& header, const Verdict& verdict, const Hl7Options& options,
                                          double now_utc_s);

struct MllpOptions {
  std::string address = "127.0.0.1";  ///< numeric, IPv4 or IPv6
  int port = 2575;                    ///< 0: any free one
  std::vector<std::string> allowed;   ///< numeric addresses or CIDR blocks; empty: everybody
  int workers = 2;                    ///< threads that hand messages to the sink
  int max_connections = 64, max_connections_per_address = 16;
  std::size_t max_buffered_bytes = 64 * 1024 * 1024;  ///< of all connections together
  double message_deadline_s = 30;  ///< from the first byte of a message to its last; also for taking our answer
  double first_byte_deadline_s = 60;
  double idle_timeout_s = 4 * 3600;  ///< between messages: interface engines keep connections open for hours
  Hl7Options hl7;
};

/// Listens for HL7 messages in MLLP framing (0x0B ... 0x1C 0x0D). One thread reads and writes, `workers` threads call
/// sink.note_message; a positive answer is written only after it returned, so that what is acknowledged is durable. The
/// messages of one connection are handled in their order. A connection that stalls, floods or talks something else is
/// closed without harm to the others.
class MllpServer {
 public:
  /// Binds. Errors: AddressInUse, ConfigInvalid (address, allow list).
  MllpServer(MllpOptions options, InstanceSink& sink);
  ~MllpServer();
  MllpServer(const MllpServer&) = delete;
  MllpServer& operator=(const MllpServer&) = delete;
  void start();
  /// No new connection, no new message; messages that are being stored are answered within `patience_s`. Idempotent.
  void stop(double patience_s);
  int port() const;  ///< the one that was bound

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::receive
