/// The parser must say the same however the bytes are cut, and must hold next to nothing.
#include "receive/multipart.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>

#include "base/error.h"

namespace {

using namespace rouage;
using receive::MultipartLimits;
using receive::MultipartParser;

struct Part {
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  bool ended = false;
  friend bool operator==(const Part&, const Part&) = default;
};

struct Collected {
  std::vector<Part> parts;
  MultipartParser::Events events() {
    return {.begin =
                [this](const receive::PartHeaders& h) {
                  parts.push_back({h.fields, "", false});
                },
            .data =
                [this](std::span<const std::uint8_t> bytes) {
                  ASSERT_FALSE(parts.empty());
                  ASSERT_FALSE(parts.back().ended);
                  parts.back().body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                },
            .end = [this] { parts.back().ended = true; }};
  }
};

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::vector<Part> parse(const std::string& text, const std::string& boundary, std::size_t piece,
                        MultipartLimits limits = {}) {
  Collected collected;
  MultipartParser parser(boundary, limits, collected.events());
  for (std::size_t at = 0; at < text.size(); at += piece)
    parser.feed(bytes_of(std::string_view(text).substr(at, piece)));
  parser.finish();
  return collected.parts;
}

ErrorCode refusal(const std::string& text, const std::string& boundary, MultipartLimits limits = {}) {
  ErrorCode codes[2];
  int i = 0;
  for (const std::size_t piece : {std::size_t{1}, text.size() + 1}) {
    codes[i] = ErrorCode::Internal;
    try {
      parse(text, boundary, piece, limits);
    } catch (const Error& error) {
      codes[i] = error.code();
    }
    ++i;
  }
  EXPECT_EQ(codes[0], codes[1]) << "cutting changes the verdict";
  return codes[0];
}

const std::string kDicom = "Content-Type: application/dicom\r\n\r\n";

TEST(Multipart, TwoPartsWithPreambleAndEpilogue) {
  const std::string text = "This is a preamble\r\n--B\r\n" + kDicom + "one\r\n--B\r\n" + kDicom +
                           "two\r\nlines\r\n--B--\r\nepilogue\r\n--B\r\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    const auto parts = parse(text, "B", piece);
    ASSERT_EQ(parts.size(), 2u) << piece;
    EXPECT_EQ(parts[0].body, "one");
    EXPECT_EQ(parts[1].body, "two\r\nlines");
    EXPECT_EQ(parts[0].fields, (decltype(Part::fields){{"content-type", "application/dicom"}}));
    EXPECT_TRUE(parts[0].ended && parts[1].ended);
  }
}

TEST(Multipart, FirstDelimiterNeedsNoLineEndBefore) {
  EXPECT_EQ(parse("--B\r\n\r\nx\r\n--B--", "B", 3).at(0).body, "x");
}

TEST(Multipart, PartsWithoutHeaderOrWithoutBody) {
  EXPECT_EQ(parse("--B\r\n\r\n\r\n--B--", "B", 1).at(0).body, "");
  EXPECT_EQ(parse("--B\r\nA: b\r\n\r\n--B--", "B", 1).at(0).body, "");  // RFC 2046: the blank line is the delimiter's
  EXPECT_EQ(parse("--B\r\n\r\n\r\n\r\n--B--", "B", 1).at(0).body, "\r\n");
}

TEST(Multipart, DataThatLooksLikeADelimiterIsData) {
  const std::string bodies[] = {"\r\n--Bx",        "\r\n--B-x",   "\r\n--B \r",    "\r\n--B  x\r\n",
                                "\r\r\n--",        "\r\n-\r\n--", "--B",           "\r\n--B\rx",
                                "\r\n--B\r\r\n",   "-",           "\r\n--B\t \t ", "\r\r\r\r\n\n\r",
                                std::string(3, 0), "\n--B\n",     "\r\n--b",       "\r\n--B:",
                                "\r\n--B \r\r\n-"};
  for (const std::string& first : bodies)
    for (const std::string& second : bodies) {
      const std::string body = first + second;
      if (body.starts_with("--B")) continue;  // directly behind the header it is one: see the case above
      const std::string text = "--B\r\n\r\n" + body + "\r\n--B--";
      // What a sender may not do is to hold a whole delimiter line in its data.
      static const std::regex delimiter("\r\n--B(--|[ \t]*\r\n)");
      if (std::regex_search(body + "\r\n", delimiter)) continue;
      for (const std::size_t piece : {1, 2, 3, 5, 1000}) {
        const auto parts = parse(text, "B", piece);
        ASSERT_EQ(parts.size(), 1u) << body;
        EXPECT_EQ(parts[0].body, body) << "pieces of " << piece;
      }
    }
}

TEST(Multipart, WhiteSpaceBehindADelimiterIsPadding) {
  EXPECT_EQ(parse("--B \t\r\n\r\nx\r\n--B  \r\n\r\ny\r\n--B--", "B", 1).size(), 2u);
}

TEST(Multipart, RandomBinaryBodiesComeBackWholeWhateverTheCut) {
  const unsigned seed = 20261124;
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> bodies(1 + random() % 4);
    std::string text;
    for (std::string& body : bodies) {
      // Few letters, so that pieces of delimiters are frequent.
      const std::string letters = "\r\n-Bx";
      for (std::size_t n = random() % 200; n > 0; --n) body += letters[random() % letters.size()];
      while (body.find("\r\n--BBB") != std::string::npos || body.starts_with("--BBB")) body.pop_back();
      text += (text.empty() ? "--BBB\r\n" : "\r\n--BBB\r\n") + kDicom + body;
    }
    text += "\r\n--BBB--\r\n";
    Collected collected;
    MultipartParser parser("BBB", {}, collected.events());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t piece = 1 + random() % 17;
      parser.feed(bytes_of(std::string_view(text).substr(at, piece)));
      at += piece;
    }
    parser.finish();
    ASSERT_EQ(collected.parts.size(), bodies.size()) << "seed " << seed << " round " << round;
    for (std::size_t i = 0; i < bodies.size(); ++i)
      ASSERT_EQ(collected.parts[i].body, bodies[i]) << "seed " << seed << " round " << round;
  }
}

TEST(Multipart, WhatEndsTooEarlyIsRefused) {
  for (const char* text : {"", "--", "--B", "--B\r\n", "--B\r\nA: b\r\n", "--B\r\n\r\n", "--B\r\n\r\nx",
                           "--B\r\n\r\nx\r\n", "--B\r\n\r\nx\r\n--B", "--B\r\n\r\nx\r\n--B-", "no delimiter anywhere"})
    EXPECT_EQ(refusal(text, "B"), ErrorCode::RequestInvalid) << text;
}

TEST(Multipart, MalformedHeadersAreRefused) {
  for (const std::string header :
       {std::string("no colon"), std::string(": no name"), std::string("bad name: x"), std::string(" continued"),
        std::string("A: \x01"), std::string("A: \0x", 5), std::string("A: x\ry")})
    EXPECT_EQ(refusal("--B\r\n" + header + "\r\n\r\nx\r\n--B--", "B"), ErrorCode::RequestInvalid) << header;
}

TEST(Multipart, ContinuationLinesAreJoined) {
  const auto parts = parse("--B\r\nContent-Type: multipart/related;\r\n  type=x\r\n\r\n\r\n--B--", "B", 4);
  EXPECT_EQ(parts.at(0).fields.at(0).second, "multipart/related; type=x");
}

TEST(Multipart, LimitsHold) {
  const MultipartLimits limits{.header_bytes = 64, .header_fields = 2, .parts = 3};
  EXPECT_EQ(refusal("--B\r\nA: " + std::string(100, 'x') + "\r\n\r\n\r\n--B--", "B", limits),
            ErrorCode::RequestTooLarge);
  EXPECT_EQ(refusal("--B\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n\r\n--B--", "B", limits), ErrorCode::RequestTooLarge);
  std::string many = "--B\r\n\r\n";
  for (int i = 0; i < 3; ++i) many += "x\r\n--B\r\n\r\n";
  EXPECT_EQ(refusal(many + "x\r\n--B--", "B", limits), ErrorCode::RequestTooLarge);
  // A header that never ends is refused before it is held.
  EXPECT_EQ(refusal("--B\r\n" + std::string(1 << 20, 'a'), "B", limits), ErrorCode::RequestTooLarge);
}

TEST(Multipart, BoundariesByRfc2046) {
  const auto taken = [](const std::string& boundary) {
    try {
      MultipartParser parser(boundary, {}, {});
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::RequestInvalid);
      return false;
    }
  };
  EXPECT_TRUE(taken("gc0pJq0M:08jU534c0p"));
  EXPECT_TRUE(taken("a b"));
  EXPECT_TRUE(taken(std::string(73, 'x'))) << "Orthanc's";
  for (const std::string& bad : {std::string(), std::string(201, 'x'), std::string("a "), std::string("a\r\n"),
                                 std::string("a\0b", 3), std::string("\"quoted\""), std::string("é")})
    EXPECT_FALSE(taken(bad)) << bad;
}

TEST(MediaType, AsSendersWriteThem) {
  const auto type = receive::media_type("Multipart/Related; type=\"application/dicom\";boundary=\"a;b, \\\"c\"");
  EXPECT_EQ(type.type, "multipart/related");
  EXPECT_EQ(type.parameter("type"), "application/dicom");
  EXPECT_EQ(type.parameter("boundary"), "a;b, \"c");
  EXPECT_EQ(receive::media_type("form-data; name=x; filename=\"a b.dcm\"").parameter("filename"), "a b.dcm");
  EXPECT_EQ(receive::media_type("").type, "");
  EXPECT_EQ(receive::media_type("multipart/related; boundary").parameter("boundary"), "");
  const auto list = receive::media_types(
      "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*, image/jpeg;q=0.5 , */*");
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].parameter("transfer-syntax"), "*");
  EXPECT_EQ(list[1].type, "image/jpeg");
  EXPECT_EQ(list[2].type, "*/*");
}

}  // namespace
