// The two catalogues say the same things.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/values.h"
#include "page/page.h"
#include "page/texts_en.h"
#include "page/texts_fr.h"

namespace rouage::page {
namespace {

std::set<std::string> placeholders(std::string_view words) {
  std::set<std::string> names;
  for (std::size_t open = words.find('{'); open != std::string_view::npos; open = words.find('{', open + 1))
    names.emplace(words.substr(open, words.find('}', open) - open + 1));
  return names;
}

TEST(Texts, french_and_english_have_the_same_keys) {
  EXPECT_EQ(text_keys("en"), text_keys("fr"));
  EXPECT_GT(text_keys("en").size(), 60U);
}

TEST(Texts, french_and_english_have_the_same_placeholders) {
  ASSERT_EQ(kTexts_en.size(), kTexts_fr.size());
  for (std::size_t i = 0; i < kTexts_en.size(); ++i)
    EXPECT_EQ(placeholders(kTexts_en[i].second), placeholders(kTexts_fr[i].second)) << kTexts_en[i].first;
}

TEST(Texts, are_well_formed_utf8) {
  for (const auto& [key, words] : kTexts_en) EXPECT_TRUE(valid_utf8(words)) << key;
  for (const auto& [key, words] : kTexts_fr) EXPECT_TRUE(valid_utf8(words)) << key;
}

TEST(Texts, placeholders_are_filled) {
  EXPECT_EQ(text("en", "age.value", {{"value", "61"}, {"uncertainty", "9"}}), "61 ± 9 years");
  EXPECT_EQ(text("fr", "age.value", {{"value", "61"}, {"uncertainty", "9"}}), "61 ± 9 ans");
}

TEST(Texts, an_unknown_key_language_or_a_missing_value_is_an_internal_error) {
  EXPECT_THROW(text("en", "no.such.key"), Error);
  EXPECT_THROW(text("de", "not_reviewed"), Error);
  EXPECT_THROW(text("en", "age.value", {{"value", "61"}}), Error);
}

TEST(Texts, every_output_and_reason_has_a_name_in_both_languages) {
  const std::set<std::string> expected = {
      "Atelectasis",        "Cardiomegaly", "Consolidation", "Edema",   "Effusion",     "Emphysema",
      "Fibrosis",           "Hernia",       "Mass",          "Nodule",  "Infiltration", "Pneumonia",
      "Pleural_Thickening", "remarkable",   "Pneumothorax",  "view_ap", "sex_male",     "estimated_age"};
  const auto keys = text_keys("en");
  for (const std::string& label : expected)
    EXPECT_TRUE(std::binary_search(keys.begin(), keys.end(), "label." + label)) << label;
  for (const char* reason : {"wrong_modality", "wrong_body_part", "not_frontal", "child", "mirrored", "rotated_90",
                             "rotated_180", "rotated_270", "cropped_apex", "cropped_base", "blurred", "two_films",
                             "inverted", "not_chest", "low_resolution", "aspect", "view_disagreement", "age_unknown"})
    EXPECT_FALSE(text("fr", std::string("reason.") + reason).empty()) << reason;
}

TEST(Texts, a_label_without_a_name_stands_for_itself) {
  EXPECT_EQ(label_text("fr", "Effusion"), "Épanchement pleural");
  EXPECT_EQ(label_text("fr", "Lung Opacity"), "Opacité pulmonaire");
  EXPECT_EQ(label_text("fr", "Situs_Inversus"), "Situs_Inversus");
}

}  // namespace
}  // namespace rouage::page
