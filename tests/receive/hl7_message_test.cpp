/// HL7 v2 as hospitals write it: what is taken from it, what is mended, what is refused.
#include "receive/hl7.h"

#include <gtest/gtest.h>

namespace {

using namespace rouage::receive;
using Kind = Verdict::Kind;

/// Segments joined by the terminator that a sender uses.
std::string joined(const std::vector<std::string>& segments, const std::string& terminator = "\r") {
  std::string text;
  for (const std::string& segment : segments) text += segment + terminator;
  return text;
}

ParsedMessage parsed(const std::vector<std::string>& segments, const Hl7Options& options = {}) {
  return parse_message(joined(segments), options);
}

const std::vector<std::string> kOrder = {
    "MSH|^~\\&|RIS|CHU|ROUAGE|IA|20261124083000||ORM^O01|MSG0001|P|2.3|||||FRA|8859/1",
    "PID|||4711^^^CHU^PI||D\xE9sir\xE9^Zo\xEB^Marie^Jr^Dr||19580302|F",
    "PV1||O|URG^^^CHU",
    "ORC|NW|P100^RIS|F200^RIS||SC||1^^^20261124090000^^S",
    "OBR|1|P100^RIS|F200^RIS|RXTHO^Radio thorax face^LOCAL|||||||||toux \\T\\ "
    "fi\\XE8\\vre|||||ACC77|||||||||||||^pneumopathie ?",
    "ZDS|1.2.250.1.99.7^RIS^Application^DICOM"};

TEST(Hl7Order, GivesPatientOrderAndQuestion) {
  const ParsedMessage message = parsed(kOrder);
  ASSERT_EQ(message.verdict.kind, Kind::accepted) << message.verdict.text;
  ASSERT_EQ(message.messages.size(), 1);
  const OrderMessage& order = message.messages[0];
  EXPECT_EQ(order.message_type, "ORM^O01");
  EXPECT_EQ(order.control_id, "MSG0001");
  EXPECT_EQ(order.sender, "RIS|CHU");
  EXPECT_EQ(order.patient_id, "4711");
  EXPECT_EQ(order.issuer, "CHU");
  EXPECT_EQ(order.patient_name, "Désiré^Zoë^Marie^Dr^Jr");  // DICOM: prefix before suffix
  EXPECT_EQ(order.birth_date, "19580302");
  EXPECT_EQ(order.sex, "F");
  EXPECT_EQ(order.accession_number, "ACC77");
  EXPECT_EQ(order.placer_order, "P100");
  EXPECT_EQ(order.filler_order, "F200");
  EXPECT_EQ(order.procedure_code, "RXTHO");
  EXPECT_EQ(order.procedure_text, "Radio thorax face");
  EXPECT_EQ(order.priority, "S");
  EXPECT_EQ(order.scheduled_at, "20261124090000");
  EXPECT_EQ(order.status, "NW");
  EXPECT_EQ(order.study_instance_uid, "1.2.250.1.99.7");
  EXPECT_EQ(order.clinical_question, "pneumopathie ?\ntoux & fièvre");
  EXPECT_NE(order.raw.find("Désiré"), std::string::npos);  // kept whole, in UTF-8
}

TEST(Hl7Order, IsTheSameWhateverEndsItsSegments) {
  const OrderMessage first = parsed(kOrder).messages.at(0);
  for (const char* terminator : {"\n", "\r\n"}) {
    const ParsedMessage other = parse_message(joined(kOrder, terminator), {});
    ASSERT_EQ(other.messages.size(), 1) << other.verdict.text;
    EXPECT_EQ(other.messages[0].clinical_question, first.clinical_question);
    EXPECT_EQ(other.messages[0].raw, first.raw);
  }
}

TEST(Hl7Order, OmiTakesAccessionAndStudyFromIpc) {
  const ParsedMessage message =
      parsed({"MSH|^~\\&|RIS|CHU|||20261124||OMI^O23^OMI_O23|7|P|2.5.1", "PID|||4711^^^CHU&1.2.250.1&ISO^PI",
              "ORC|NW|P1", "TQ1|1||||||20261125080000||S", "OBR|1|P1|F1|CT1^CT chest^L||||||||||||||WRONG",
              "NTE|1||suivi de nodule", "IPC|ACC9|RP9|1.2.3.4|SPS9|CT"});
  ASSERT_EQ(message.verdict.kind, Kind::accepted) << message.verdict.text;
  const OrderMessage& order = message.messages.at(0);
  EXPECT_EQ(order.accession_number, "ACC9");
  EXPECT_EQ(order.study_instance_uid, "1.2.3.4");
  EXPECT_EQ(order.issuer, "CHU");
  EXPECT_EQ(order.priority, "S");
  EXPECT_EQ(order.scheduled_at, "20261125080000");
  EXPECT_EQ(order.clinical_question, "suivi de nodule");
}

// Effect once needs a key for each of them that is the same when the message is sent again.
TEST(Hl7Order, SeveralOrdersOfOneMessageHaveStableKeys) {
  std::vector<std::string> two = kOrder;
  two.push_back("ORC|NW|P101|F201");
  two.push_back("OBR|2|P101|F201|CT^CT thorax||||||||||||||ACC78");
  for (int again = 0; again < 2; ++again) {
    const ParsedMessage message = parsed(two);
    ASSERT_EQ(message.messages.size(), 2);
    EXPECT_EQ(message.messages[0].control_id, "MSG0001");
    EXPECT_EQ(message.messages[1].control_id, "MSG0001/2");
    EXPECT_EQ(message.messages[1].accession_number, "ACC78");
    EXPECT_EQ(message.messages[1].patient_id, "4711");
    EXPECT_EQ(message.messages[1].study_instance_uid, "");  // the first order's ZDS is not the second's
  }
}

TEST(Hl7Report, JoinsItsTextAndKeepsDocumentsOut) {
  const ParsedMessage message =
      parsed({"MSH|^~\\&|RIS|CHU|||20261124||ORU^R01|R1|P|2.4||||||UNICODE UTF-8", "PID|||4711^^^CHU",
              "OBR|1|P1|F1|RXTHO^Radio thorax|||20200101|||||||||||ACC5||||20200102101500|||F",
              "OBX|1|FT|GDT^Compte rendu||Cœur de taille normale.\\.br\\Pas d'épanchement.~Conclusion : normal.",
              "OBX|2|ED|PDF^Document||^application^pdf^Base64^JVBERi0=", "OBX|3|NM|CTR^Index cardio-thoracique||0.47|1",
              "OBX|4|HD|113014^DICOM Study^DCM||1.2.840.99.1"});
  ASSERT_EQ(message.verdict.kind, Kind::accepted) << message.verdict.text;
  const OrderMessage& report = message.messages.at(0);
  EXPECT_EQ(report.accession_number, "ACC5");
  EXPECT_EQ(report.report_status, "F");
  EXPECT_EQ(report.report_at, "20200102101500");
  EXPECT_EQ(report.report_text,
            "Cœur de taille normale.\nPas d'épanchement.\nConclusion : normal.\nIndex cardio-thoracique: 0.47 1");
  EXPECT_EQ(report.study_instance_uid, "1.2.840.99.1");
}

// Line feeds inside a report: a line of three capitals is a word of the report, not a segment.
TEST(Hl7Report, LineFeedsInsideAFieldAreText) {
  const std::string bytes =
      "MSH|^~\\&|RIS|CHU|||20261124||ORU^R01|R2|P|2.3\rPID|||1\rOBR|1|P1||||||||||||||||ACC\r"
      "OBX|1|TX|GDT||Comparaison\nIRM\nde 2024|||||F\r";
  const ParsedMessage message = parse_message(bytes, {});
  ASSERT_EQ(message.verdict.kind, Kind::accepted) << message.verdict.text;
  EXPECT_EQ(message.messages.at(0).report_text, "Comparaison\nIRM\nde 2024");
  EXPECT_FALSE(message.warnings.empty());
}

TEST(Hl7Patient, UpdateNeedsTheId) {
  EXPECT_EQ(parsed({"MSH|^~\\&|A|B|||1||ADT^A08|1|P|2.5", "EVN|A08", "PID|||12^^^CHU||Dupont^Jean||19500101|M"})
                .messages.at(0)
                .patient_id,
            "12");
  const ParsedMessage without = parsed({"MSH|^~\\&|A|B|||1||ADT^A08|1|P|2.5", "PID|||||Dupont^Jean"});
  EXPECT_EQ(without.verdict.kind, Kind::in_error);
  EXPECT_EQ(without.verdict.location, "PID-3");
  EXPECT_TRUE(without.messages.empty());
}

TEST(Hl7Patient, MergesAreOneMessageEach) {
  const ParsedMessage message =
      parsed({"MSH|^~\\&|ADT|CHU|||1||ADT^A40^ADT_A39|M1|P|2.5", "EVN|A40", "PID|||200^^^CHU||Martin^Anne",
              "MRG|100^^^CHU", "PID|||201^^^CHU", "PD1|", "MRG|101^^^CHU"});
  ASSERT_EQ(message.messages.size(), 2) << message.verdict.text;
  EXPECT_EQ(message.messages[0].patient_id, "200");
  EXPECT_EQ(message.messages[0].merged_patient_id, "100");
  EXPECT_EQ(message.messages[0].merged_issuer, "CHU");
  EXPECT_EQ(message.messages[1].merged_patient_id, "101");
  EXPECT_EQ(message.messages[1].control_id, "M1/2");
}

// A merge that is half understood would put two patients together, or none.
// RCV-9
TEST(Hl7Patient, MergesWithoutBothIdsAreRefusedWhole) {
  const std::string msh = "MSH|^~\\&|ADT|CHU|||1||ADT^A40|M1|P|2.5";
  const std::vector<std::vector<std::string>> bad = {{msh, "PID|||200"},
                                                     {msh, "MRG|100"},
                                                     {msh, "PID|||200", "MRG|"},
                                                     {msh, "PID|||", "MRG|100"},
                                                     {msh, "PID|||200", "MRG|200"},
                                                     {msh, "PID|||200", "MRG|100", "PID|||201"}};
  for (const auto& segments : bad) {
    const ParsedMessage message = parsed(segments);
    EXPECT_EQ(message.verdict.kind, Kind::in_error) << segments.back();
    EXPECT_TRUE(message.messages.empty()) << segments.back();
  }
}

TEST(Hl7Patient, TheIdIsChosenByAuthorityOrType) {
  const std::vector<std::string> segments = {"MSH|^~\\&|A|B|||1||ADT^A08|1|P|2.5",
                                             "PID|||INS1^^^INS^NH~77^^^CHU^PI~88^^^CLINIC^MR"};
  EXPECT_EQ(parsed(segments).messages.at(0).patient_id, "77");
  Hl7Options options;
  options.preferred_authority = "CLINIC";
  EXPECT_EQ(parsed(segments, options).messages.at(0).patient_id, "88");
}

TEST(Hl7Charset, JapaneseNamesByIso2022) {
  // 山田^太郎 and やまだ^たろう; "Yamada^Tarou" in ISO 646. JIS bytes hold '|' and '^' as halves of characters.
  const std::string message =
      "MSH|^~\\&|RIS|K|||1||ADT^A08|1|P|2.5||||||ASCII~ISO IR87\r"
      "PID|||1||Yamada^Tarou^^^^^^A~\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B^^^^^^I~\x1B$B$d$^$@\x1B(B^\x1B$B$?$m$&\x1B(B^^^^^"
      "^P\r";
  const ParsedMessage result = parse_message(message, {});
  ASSERT_EQ(result.messages.size(), 1) << result.verdict.text;
  EXPECT_EQ(result.messages[0].patient_name, "Yamada^Tarou=山田^太郎=やまだ^たろう");
}

TEST(Hl7Charset, UndeclaredBytesAreUtf8OrElseLatin) {
  const std::string head = "MSH|^~\\&|A|B|||1||ADT^A08|1|P|2.5\rPID|||1||";
  const ParsedMessage utf8 = parse_message(head + "M\xC3\xBCller\r", {});
  EXPECT_EQ(utf8.messages.at(0).patient_name, "Müller");
  EXPECT_FALSE(utf8.warnings.empty());
  EXPECT_EQ(parse_message(head + "M\xFCller\r", {}).messages.at(0).patient_name, "Müller");
  const std::string euro = "MSH|^~\\&|A|B|||1||ADT^A08|1|P|2.5||||||8859/15\rPID|||1||\xA4uro\r";
  EXPECT_EQ(parse_message(euro, {}).messages.at(0).patient_name, "€uro");
}

TEST(Hl7Syntax, DelimitersAreTheMessagesOwn) {
  const ParsedMessage message = parsed({"MSH#*!?+#RIS#CHU###1##ADT*A08#9#P#2.5", "PID###5***CHU##Smith*Jo?F?n"});
  ASSERT_EQ(message.messages.size(), 1) << message.verdict.text;
  EXPECT_EQ(message.messages[0].patient_id, "5");
  EXPECT_EQ(message.messages[0].patient_name, "Smith^Jo#n");
}

// Found by fuzzing: 0x0B as the field separator came back in the answer, where it begins a message of MLLP.
TEST(Hl7Syntax, AControlCharacterIsNoFieldSeparator) {
  const ParsedMessage parsed = parse_message(
      "\nMSH\x0B+\x0B"
      "f\r",
      {});
  EXPECT_EQ(parsed.verdict.kind, Verdict::Kind::rejected);
  EXPECT_EQ(parsed.verdict.location, "MSH-1");
  for (const std::string& answer : acknowledgements(parsed.header, parsed.verdict, {}, 0))
    EXPECT_EQ(answer.find('\x0B'), std::string::npos);
}

TEST(Hl7Syntax, StrictWhereAMistakeWouldLoseSomething) {
  struct Case {
    std::string bytes;
    int condition;
  };
  const std::vector<Case> cases = {
      {"", 100},
      {"PID|||1\r", 100},
      {"MSH", 100},
      {"MSH|^^\\&|A|B|||1||ADT^A08|1|P|2.5\r", 102},          // two delimiters alike
      {"MSH|ABCD|A|B|||1||ADT^A08|1|P|2.5\r", 102},           // letters
      {"MSH|^~\\&|A|B|||1||ADT^A08||P|2.5\rPID|||1\r", 101},  // no control id
      {"MSH|^~\\&|A|B|||1|||1|P|2.5\rPID|||1\r", 101},        // no type
      {"MSH|^~\\&|A|B|||1||ADT^A01|1|P|2.5\rPID|||1\r", 201},
      {"MSH|^~\\&|A|B|||1||SIU^S12|1|P|2.5\rPID|||1\r", 200},
  };
  for (const Case& one : cases) {
    const ParsedMessage message = parse_message(one.bytes, {});
    EXPECT_EQ(message.verdict.kind, Kind::rejected) << one.bytes;
    EXPECT_EQ(message.verdict.condition, one.condition) << one.bytes;
    EXPECT_TRUE(message.messages.empty());
  }
}

TEST(Hl7Syntax, LimitsRefuseWholeMessages) {
  Hl7Options options;
  options.limits = {.message_bytes = 10000, .segments = 20, .fields = 50, .orders = 3};
  const std::string msh = "MSH|^~\\&|A|B|||1||ORM^O01|1|P|2.5";
  EXPECT_EQ(parse_message(msh + "\rPID|||1\rNTE|" + std::string(10000, 'x'), options).verdict.kind, Kind::rejected);
  EXPECT_EQ(parsed({msh, "PID|||1", "NTE" + std::string(100, '|')}, options).verdict.kind, Kind::rejected);
  EXPECT_EQ(parsed(std::vector<std::string>(30, msh), options).verdict.kind, Kind::rejected);
  std::vector<std::string> many = {msh, "PID|||1"};
  for (int i = 0; i < 4; ++i) many.push_back("OBR|1|P" + std::to_string(i));
  EXPECT_EQ(parsed(many, options).verdict.kind, Kind::in_error);
}

// A UID becomes a name elsewhere: what is none is dropped here.
TEST(Hl7Syntax, StudyUidsAreUids) {
  std::vector<std::string> segments = kOrder;
  segments.back() = "ZDS|../../etc/passwd";
  EXPECT_EQ(parsed(segments).messages.at(0).study_instance_uid, "");
}

TEST(Hl7Answer, OriginalModeNamesTheMessage) {
  ParsedMessage message = parsed(kOrder);
  auto answers = acknowledgements(message.header, message.verdict, {}, 1795509000);
  ASSERT_EQ(answers.size(), 1);
  EXPECT_EQ(answers[0].substr(0, 31), "MSH|^~\\&|ROUAGE||RIS|CHU|202611");
  EXPECT_NE(answers[0].find("||ACK^O01^ACK|"), std::string::npos) << answers[0];
  EXPECT_NE(answers[0].find("|P|2.3\rMSA|AA|MSG0001\r"), std::string::npos) << answers[0];

  message.verdict = {Kind::in_error, 101, "a | in a text", "PID-3"};
  answers = acknowledgements(message.header, message.verdict, {}, 0);
  EXPECT_NE(answers.at(0).find("MSA|AE|MSG0001|a \\F\\ in a text\rERR|PID^1^3^101&Required field missing\r"),
            std::string::npos)
      << answers[0];
  message.header.version = "2.5.1";
  message.verdict.kind = Kind::rejected;
  answers = acknowledgements(message.header, message.verdict, {}, 0);
  EXPECT_NE(answers.at(0).find("MSA|AR|MSG0001|"), std::string::npos);
  EXPECT_NE(answers[0].find("\rERR||PID^1^3|101^Required field missing^HL70357|E||||a \\F\\ in a text\r"),
            std::string::npos)
      << answers[0];
}

TEST(Hl7Answer, EnhancedModeAnswersWhatIsAsked) {
  struct Case {
    std::string accept, application;
    Kind kind;
    std::vector<std::string> codes;
  };
  const std::vector<Case> cases = {
      {"AL", "NE", Kind::accepted, {"CA"}},       {"NE", "AL", Kind::accepted, {"AA"}},
      {"AL", "AL", Kind::accepted, {"CA", "AA"}}, {"NE", "NE", Kind::accepted, {}},
      {"ER", "NE", Kind::accepted, {}},           {"ER", "NE", Kind::rejected, {"CR"}},
      {"SU", "SU", Kind::try_later, {}},          {"AL", "ER", Kind::try_later, {"CE", "AR"}},
      {"AL", "ER", Kind::in_error, {"CE", "AE"}},
  };
  for (const Case& one : cases) {
    Hl7Header header;
    header.control_id = "5";
    header.accept_ack = one.accept;
    header.application_ack = one.application;
    const Verdict verdict{one.kind, one.kind == Kind::accepted ? 0 : 207, "", ""};
    const auto answers = acknowledgements(header, verdict, {}, 0);
    ASSERT_EQ(answers.size(), one.codes.size()) << one.accept << one.application;
    for (std::size_t i = 0; i < answers.size(); ++i)
      EXPECT_NE(answers[i].find("\rMSA|" + one.codes[i] + "|5"), std::string::npos) << answers[i];
  }
}

}  // namespace
