/// The DICOM JSON model of real files, against pydicom's reading of the same bytes, and against PS3.18's own rules.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/host.h"
#include "dicom/object.h"
#include "dicom/reading.h"

namespace {

using namespace rouage;
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const fs::path kDicom = fs::path(ROUAGE_SHARED_DIR) / "data/dicom";

/// 7FE00010 and 0020000D and "1.2.3".
std::string element(std::uint32_t tag, const std::string& vr, std::string value, bool undefined = false) {
  std::string bytes;
  const auto put16 = [&](std::uint32_t v) {
    bytes += static_cast<char>(v & 0xFF);
    bytes += static_cast<char>(v >> 8 & 0xFF);
  };
  const bool is_long = vr == "OB" || vr == "OW" || vr == "SQ" || vr == "UN" || vr == "UT" || vr == "OF" || vr == "UV" ||
                       vr == "SV" || vr == "OV";
  if (value.size() % 2 != 0) value += vr == "UI" || vr == "OB" ? '\0' : ' ';
  const auto length = undefined ? 0xFFFFFFFFU : static_cast<std::uint32_t>(value.size());
  put16(tag >> 16);
  put16(tag & 0xFFFF);
  if (vr.empty()) {
    put16(length & 0xFFFF);
    put16(length >> 16);
  } else {
    bytes += vr;
    if (is_long) put16(0);
    put16(length & 0xFFFF);
    if (is_long) put16(length >> 16);
  }
  return bytes + value;
}

class MadeFile {
 public:
  explicit MadeFile(const std::string& dataset, const std::string& syntax = "1.2.840.10008.1.2.1") {
    static int count = 0;
    path = fs::temp_directory_path() / ("rouage-json-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    const std::string meta = element(0x00020010, "UI", syntax);
    std::string length(4, '\0');
    length[0] = static_cast<char>(meta.size());
    std::ofstream(path, std::ios::binary)
        << std::string(128, '\0') << "DICM" << element(0x00020000, "UL", length) << meta << dataset;
  }
  ~MadeFile() { fs::remove(path); }
  fs::path path;
};

Json json_of(const std::string& dataset, const dicom::JsonOptions& options = {}) {
  return Json::parse(dicom::dicom_json(MadeFile(dataset).path, options));
}

const std::string kUids = element(0x00080018, "UI", "1.2.3") + element(0x00080060, "CS", "CT");

TEST(ObjectJson, RealFilesSayTheSameAsInPydicom) {
  if (!fs::exists(kDicom)) GTEST_SKIP() << "no ../shared/data/dicom";
  if (std::system("/usr/bin/python3 -c 'import pydicom' 2>/dev/null") != 0) GTEST_SKIP() << "no python3-pydicom";
  const fs::path folder = fs::temp_directory_path() / ("rouage-json-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::ofstream list(folder / "list");
  int written = 0;
  for (const fs::path& file : files_below(kDicom)) {
    if (dicom::file_kind(file) != dicom::FileKind::dicom) continue;
    const fs::path json = folder / (std::to_string(written) + ".json");
    try {
      std::ofstream(json) << dicom::dicom_json(file, {.bulk_data_url = "", .inline_bytes = 1 << 30});
    } catch (const Error&) {
      continue;  // damaged on purpose; reading_hostile_test says which
    }
    list << file.string() << '\t' << json.string() << '\n';
    ++written;
  }
  list.close();
  EXPECT_GT(written, 130);
  EXPECT_EQ(std::system(("/usr/bin/python3 " ROUAGE_SOURCE_DIR "/tests/dicom/object_json_compare.py " +
                         (folder / "list").string())
                            .c_str()),
            0);
  fs::remove_all(folder);
}

TEST(ObjectJson, CharacterSetsBecomeUtf8AndNamesTheirGroups) {
  if (!fs::exists(kDicom)) GTEST_SKIP() << "no ../shared/data/dicom";
  const auto name = [](const std::string& file) {
    return Json::parse(dicom::dicom_json(kDicom / "charset" / file, {}))["00100010"]["Value"][0];
  };
  EXPECT_EQ(name("chrFren.dcm")["Alphabetic"], "Buc^Jérôme");
  EXPECT_EQ(name("chrH31.dcm")["Ideographic"], "山田^太郎");
  EXPECT_EQ(name("chrH31.dcm")["Phonetic"], "やまだ^たろう");
  const auto whole = Json::parse(dicom::dicom_json(kDicom / "charset/chrH31.dcm", {}));
  EXPECT_EQ(whole["00080005"]["Value"][0], "ISO_IR 192");
}

TEST(ObjectJson, NumbersKeepTheirDigitsAndOddOnesBecomeText) {
  const auto json = json_of(element(0x00180050, "DS", "+1.50\\.5\\-0\\007\\1.\\1E3\\\\abc\\1e999") +
                            element(0x00200013, "IS", "+0042"));
  EXPECT_EQ(json["00180050"]["Value"], Json::parse(R"([1.5,0.5,0.0,7,1,1000.0,null,"abc","1e999"])"));
  EXPECT_EQ(json["00200013"]["Value"][0], 42);
  // The digits themselves are kept: a spacing of 0.10 is not 0.1.
  const MadeFile file(element(0x00180050, "DS", "0.10"));
  EXPECT_NE(dicom::dicom_json(file.path, {}).find("[0.10]"), std::string::npos);
}

TEST(ObjectJson, BinaryNumbers) {
  std::string float_value(4, '\0'), nan_value("\0\0\xC0\x7F", 4);
  float_value[2] = '\x80';
  float_value[3] = '\x3F';  // 1.0f
  const auto json = json_of(
      element(0x00280010, "US", std::string("\xFF\xFF\x01\x00", 4)) +
      element(0x00280106, "SS", std::string("\xFF\xFF", 2)) + element(0x00720080, "UV", std::string(8, '\xFF')) +
      element(0x00720082, "SV", std::string(8, '\xFF')) + element(0x00720076, "FL", float_value + nan_value) +
      element(0x00720060, "AT", std::string("\x20\x00\x0D\x00", 4)));
  EXPECT_EQ(json["00280010"]["Value"], Json::parse("[65535,1]"));
  EXPECT_EQ(json["00280106"]["Value"], Json::parse("[-1]"));
  EXPECT_EQ(json["00720080"]["Value"][0], "18446744073709551615");  // more than a double holds: as text
  EXPECT_EQ(json["00720082"]["Value"][0], -1);
  EXPECT_EQ(json["00720076"]["Value"], Json::parse("[1.0,\"NaN\"]"));
  EXPECT_EQ(json["00720060"]["Value"][0], "0020000D");
}

TEST(ObjectJson, EmptyValuesHaveNoValue) {
  const auto json = json_of(element(0x00080050, "SH", "") + element(0x00081140, "SQ", "") +
                            element(0x00100010, "PN", "") + element(0x00180050, "DS", "  "));
  for (const char* key : {"00080050", "00081140", "00100010", "00180050"}) {
    EXPECT_TRUE(json[key].contains("vr")) << key;
    EXPECT_FALSE(json[key].contains("Value")) << key;
  }
}

TEST(ObjectJson, SequencesByBothKindsOfLength) {
  const std::string inner = element(0x00081150, "UI", "1.2") + element(0x00081155, "UI", "3.4");
  const std::string defined = element(0x00081140, "SQ", element(0xFFFEE000, "", inner) + element(0xFFFEE000, "", ""));
  const std::string undefined =
      element(0x00081140, "SQ",
              element(0xFFFEE000, "", inner + element(0xFFFEE00D, "", ""), true) +
                  element(0xFFFEE000, "", element(0xFFFEE00D, "", ""), true) + element(0xFFFEE0DD, "", ""),
              true);
  const auto expected =
      Json::parse(R"([{"00081150":{"vr":"UI","Value":["1.2"]},"00081155":{"vr":"UI","Value":["3.4"]}},{}])");
  EXPECT_EQ(json_of(defined)["00081140"]["Value"], expected);
  EXPECT_EQ(json_of(undefined)["00081140"]["Value"], expected);
}

TEST(ObjectJson, BulkDataHasAnAddressThatFindsIt) {
  const std::string large(3000, 'x'), small(10, 'y');
  const std::string item = element(0x54001010, "OW", large);
  const MadeFile file(kUids + element(0x00091010, "OB", small) +
                      element(0x54000100, "SQ", element(0xFFFEE000, "", "") + element(0xFFFEE000, "", item)) +
                      element(0x7FE00010, "OW", large + "zz"));
  const auto json = Json::parse(dicom::dicom_json(file.path, {.bulk_data_url = "/base/bulkdata"}));
  EXPECT_EQ(json["00091010"]["InlineBinary"], "eXl5eXl5eXl5eQ==");
  EXPECT_EQ(json["7FE00010"]["BulkDataURI"], "/base/bulkdata/7FE00010");
  EXPECT_EQ(json["54000100"]["Value"][1]["54001010"]["BulkDataURI"], "/base/bulkdata/54000100/2/54001010");
  EXPECT_EQ(json["00083002"]["Value"][0], "1.2.840.10008.1.2.1");
  const Bytes found = dicom::bulk_data(file.path, "54000100/2/54001010");
  EXPECT_EQ(std::string(found.begin(), found.end()), large);
  EXPECT_EQ(dicom::bulk_data(file.path, "7FE00010").size(), 3002u);
  for (const char* wrong : {"", "7FE00011", "54000100/3/54001010", "54000100/0/54001010", "54000100/2", "../../x",
                            "00080060", "54000100/2/54001010/1/54001010", "zzzzzzzz"})
    EXPECT_THROW(dicom::bulk_data(file.path, wrong), Error) << wrong;
  EXPECT_FALSE(Json::parse(dicom::dicom_json(file.path, {})).contains("7FE00010"));
}

TEST(ObjectJson, DeepNestingIsRefusedNotFollowed) {
  std::string nested = element(0x00081150, "UI", "1.2");
  for (int i = 0; i < 300; ++i) nested = element(0x00081140, "SQ", element(0xFFFEE000, "", nested, false));
  EXPECT_THROW(json_of(kUids + nested), Error);
}

TEST(ObjectJson, TextThatIsNoUtf8NeverBreaksTheDocument) {
  const auto json = json_of(element(0x00081030, "LO", "a\x80\xFF\x01\"quoted\"\n"));
  EXPECT_TRUE(json["00081030"]["Value"][0].is_string());
}

TEST(QueryJson, AnswersAndBack) {
  const dicom::Attributes attributes = {
      {0x00080020, "20261124"}, {0x00080061, "CR\\DX"}, {0x00100010, "Müller^Anna=山田"},
      {0x00100040, ""},         {0x00201208, "12"},     {0x00280010, "512"},
      {0x00081115, ""}};
  const auto json = Json::parse(dicom::dicom_json(attributes));
  EXPECT_EQ(json["00080061"], Json::parse(R"({"vr":"CS","Value":["CR","DX"]})"));
  EXPECT_EQ(json["00100010"]["Value"][0]["Ideographic"], "山田");
  EXPECT_EQ(json["00100040"], Json::parse(R"({"vr":"CS"})"));
  EXPECT_EQ(json["00201208"]["Value"][0], 12);
  EXPECT_EQ(json["00280010"]["Value"][0], 512);
  EXPECT_EQ(json["00081115"], Json::parse(R"({"vr":"SQ"})"));
  EXPECT_EQ(dicom::attributes_from_json(json.dump()), attributes);
}

TEST(QueryJson, WhatIsNoDicomJsonIsRefused) {
  for (const char* bad : {"", "[]", "7", "{\"x\":{}}", "{\"00100020\":7}", "{\"00100020\":{\"Value\":7}}",
                          "{\"00100020\":{\"vr\":\"LO\",\"Value\":[[1]]}}", "{\"0010002\":{}}"}) {
    try {
      dicom::attributes_from_json(bad);
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::RequestInvalid);
    }
  }
}

}  // namespace
