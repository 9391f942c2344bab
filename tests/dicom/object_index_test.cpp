// What the index reads of any object: identifiers, counts, stacks, and never a byte more than the header.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/host.h"
#include "dicom/object.h"
#include "dicom/reading_made_files.h"

namespace rouage::dicom {
namespace {
namespace fs = std::filesystem;

fs::path written(const std::string& name, const Bytes& bytes) {
  const fs::path file = made::scratch_folder() / name;
  fs::remove(file);
  write_file(file, bytes);
  return file;
}
fs::path made_with(const std::string& name, const std::function<void(DcmDataset&)>& change) {
  made::MadeFilm film;
  film.change = change;
  return written(name, made::film_bytes(film));
}
void put(DcmDataset& dataset, std::uint16_t group, std::uint16_t element, const char* text) {
  dataset.putAndInsertString(DcmTagKey(group, element), text);
}

TEST(ObjectIndex, a_film_stands_alone_and_has_its_identifiers) {
  const IndexEntry entry = index_entry(made_with("film.dcm", [](DcmDataset& d) {
    put(d, 0x0010, 0x0020, "P1 ");
    put(d, 0x0008, 0x0060, "CR");
  }));
  EXPECT_EQ(entry.patient_id, "P1");
  EXPECT_EQ(entry.rows, 4U);
  EXPECT_EQ(entry.frames, 1U);
  EXPECT_TRUE(entry.has_pixels);
  EXPECT_TRUE(entry.stands_alone);
  EXPECT_FALSE(entry.made_by_rouage);
  EXPECT_TRUE(valid_uid(entry.sop_instance_uid));
}

TEST(ObjectIndex, every_identifier_is_needed_and_must_be_a_uid) {
  for (const Uint16 element : {0x000D, 0x000E}) try {
      index_entry(made_with("without.dcm", [&](DcmDataset& d) { d.findAndDeleteElement(DcmTagKey(0x0020, element)); }));
      FAIL() << "accepted without " << element;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::HeaderInvalid);
    }
  for (const char* wrong : {"../../etc/passwd", "1..2", ".1", "1.", "1.2.a", ""})
    EXPECT_FALSE(valid_uid(wrong)) << wrong;
  EXPECT_FALSE(valid_uid(std::string(65, '1')));
  EXPECT_THROW(index_entry(made_with("path.dcm", [](DcmDataset& d) { put(d, 0x0020, 0x000D, "../../x"); })), Error);
}

TEST(ObjectIndex, slices_of_one_stack_have_a_position_along_its_normal) {
  const auto slice = [](const char* position, const char* orientation) {
    return index_entry(made_with("slice.dcm", [&](DcmDataset& d) {
      put(d, 0x0008, 0x0016, "1.2.840.10008.5.1.4.1.1.2");
      put(d, 0x0008, 0x0060, "CT");
      put(d, 0x0020, 0x0032, position);
      put(d, 0x0020, 0x0037, orientation);
    }));
  };
  const IndexEntry a = slice("-100\\-100\\12.5", "1\\0\\0\\0\\1\\0"),
                   b = slice("-100\\-100\\15", "1\\0\\0\\0\\1\\-0.0001");
  ASSERT_TRUE(a.position_mm && b.position_mm);
  EXPECT_NEAR(*a.position_mm, 12.5, 1e-9);
  EXPECT_EQ(a.stack, b.stack) << "the last digits of an orientation are noise";
  EXPECT_FALSE(a.stands_alone);
  const IndexEntry sagittal = slice("7\\-100\\15", "0\\1\\0\\0\\0\\-1");
  EXPECT_NEAR(*sagittal.position_mm, -7, 1e-9);
  EXPECT_NE(sagittal.stack, a.stack);
}

TEST(ObjectIndex, pet_counts_are_slices_times_what_repeats_them) {
  const auto count = [](const char* type, const char* slices) {
    return index_entry(made_with("pet.dcm",
                                 [&](DcmDataset& d) {
                                   put(d, 0x0008, 0x0016, "1.2.840.10008.5.1.4.1.1.128");
                                   put(d, 0x0008, 0x0060, "PT");
                                   put(d, 0x0054, 0x1000, type);
                                   d.putAndInsertUint16(DcmTagKey(0x0054, 0x0081),
                                                        static_cast<Uint16>(std::atoi(slices)));
                                   d.putAndInsertUint16(DcmTagKey(0x0054, 0x0101), 3);
                                 }))
        .said_count;
  };
  EXPECT_EQ(count("STATIC\\IMAGE", "47"), 47);
  EXPECT_EQ(count("DYNAMIC\\IMAGE", "47"), 141);
  EXPECT_FALSE(count("WHOLE BODY\\REPROJECTION", "47"));
  EXPECT_FALSE(count("STATIC\\IMAGE", "0"));
}

TEST(ObjectIndex, only_results_of_rouage_are_taken_for_its_own) {
  const auto own = [](const char* manufacturer, const char* model) {
    return index_entry(made_with("own.dcm",
                                 [&](DcmDataset& d) {
                                   put(d, 0x0008, 0x0070, manufacturer);
                                   put(d, 0x0008, 0x1090, model);
                                 }))
        .made_by_rouage;
  };
  EXPECT_TRUE(own("Rouage", "Rouage chest"));
  EXPECT_FALSE(own("Rouage", "Rouage --as-film")) << "a film made from a picture is input";
  EXPECT_FALSE(own("Rouage", "phantom film"));
  EXPECT_FALSE(own("Rouages SA", "Rouage X"));
}

TEST(ObjectIndex, texts_are_utf8_whatever_the_character_set) {
  const IndexEntry entry = index_entry(made_with("latin.dcm", [](DcmDataset& d) {
    put(d, 0x0008, 0x0005, "ISO_IR 100");
    put(d, 0x0010, 0x0010, "L\xE9vy^Ren\xE9");
  }));
  EXPECT_EQ(entry.patient_name, "Lévy^René");
}

TEST(ObjectIndex, attributes_by_tag_and_keyword) {
  const fs::path file = made_with("tags.dcm", [](DcmDataset& d) { put(d, 0x0018, 0x1030, "CHEST PA "); });
  EXPECT_EQ(tag_of("ProtocolName"), 0x00181030U);
  EXPECT_EQ(tag_of("(0018,1030)"), 0x00181030U);
  EXPECT_EQ(tag_of("00181030"), 0x00181030U);
  EXPECT_FALSE(tag_of("NoSuchThing"));
  EXPECT_FALSE(tag_of(""));
  EXPECT_EQ(keyword_of(0x00181030), "ProtocolName");
  EXPECT_EQ(vr_of(0x00181030), "LO");
  EXPECT_EQ(vr_of(0x00280010), "US");
  EXPECT_EQ(vr_of(0x00091234), "UN");
  EXPECT_EQ(attribute_text(file, 0x00181030), "CHEST PA");
  EXPECT_EQ(attribute_text(file, 0x00280010), "4");
  EXPECT_EQ(attribute_text(file, 0x00104000), "");
}

TEST(ObjectIndex, what_is_no_dicom_is_refused) {
  EXPECT_THROW(index_entry(made::scratch_folder() / "absent"), Error);
  const std::string text = "<html>this is no image</html>, and it is long enough to be looked at";
  try {
    index_entry(written("page.html", Bytes(text.begin(), text.end())));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::NotDicom);
  }
}

TEST(ObjectIndex, every_conformance_file_is_indexed_or_refused_with_a_reason) {
  const fs::path data = fs::path(ROUAGE_SHARED_DIR) / "data" / "dicom";
  if (!fs::is_directory(data)) GTEST_SKIP() << "../shared/data is absent";
  int indexed = 0, refused = 0;
  for (const fs::path& file : files_below(data)) {
    if (file.extension() == ".csv" || file.extension() == ".md") continue;
    try {
      const IndexEntry entry = index_entry(file);
      EXPECT_TRUE(valid_uid(entry.study_instance_uid)) << file;
      ++indexed;
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::NotDicom || error.code() == ErrorCode::HeaderInvalid ||
                  error.code() == ErrorCode::PixelDataTruncated)
          << error.what();
      ++refused;
    }
  }
  std::printf("indexed %d, refused %d\n", indexed, refused);
  EXPECT_GT(indexed, 100);
}

}  // namespace
}  // namespace rouage::dicom
