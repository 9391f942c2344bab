#include "base/values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

using namespace rouage;

TEST(Sha256, AgreesWithTheExamplesOfFips180) {
  EXPECT_EQ(sha256("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(DerivedUid, IsAValidDicomUidAndTheSameForTheSameParts) {
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) {
    const std::string uid = derived_uid({"1.2.3", std::to_string(i)});
    EXPECT_EQ(uid, derived_uid({"1.2.3", std::to_string(i)}));
    EXPECT_LE(uid.size(), 44U);
    EXPECT_EQ(uid.rfind("2.25.", 0), 0U);
    EXPECT_NE(uid[5], '0');
    EXPECT_TRUE(seen.insert(uid).second);
  }
}

TEST(DerivedUid, KeepsPartsApart) {
  EXPECT_NE(derived_uid({"ab", "c"}), derived_uid({"a", "bc"}));
}

TEST(DerivedId, NamesItsKind) {
  EXPECT_EQ(derived_id("finding", {"x"}).rfind("finding-", 0), 0U);
}

TEST(NumberText, ReadsBackAsTheSameDoubleWithAPoint) {
  for (const double value : {0.1, 1e-300, 123456789.125, -0.0, 2.0 / 3})
    EXPECT_EQ(std::stod(number_text(value)), value);
  EXPECT_EQ(number_text(0.5), "0.5");
  EXPECT_EQ(number_text(std::nan("")), "nan");
  EXPECT_EQ(fixed_text(0.126, 2), "0.13");
}

TEST(ValidUtf8, RefusesOverlongSurrogatesAndCutOffForms) {
  EXPECT_TRUE(valid_utf8("Épanchement – 山田"));
  EXPECT_FALSE(valid_utf8("\xC3"));
  EXPECT_FALSE(valid_utf8("\xC0\x80"));
  EXPECT_FALSE(valid_utf8("\xED\xA0\x80"));
  EXPECT_FALSE(valid_utf8("\xF4\x90\x80\x80"));
}

TEST(MultiplyChecked, RefusesWhatDoesNotFit) {
  std::uint64_t product = 0;
  EXPECT_TRUE(multiply_checked({65535, 65535, 1000}, product));
  EXPECT_EQ(product, 4294836225000ULL);
  EXPECT_FALSE(multiply_checked({1ULL << 40, 1ULL << 40}, product));
}

TEST(Text, SplitsAndTrims) {
  EXPECT_EQ(split("a\\b\\", '\\'), (std::vector<std::string>{"a", "b", ""}));
  EXPECT_EQ(trimmed(std::string_view(" x \0", 4)), "x");
  EXPECT_EQ(lower_case("ÀAb"), "Àab");
}
