/// The same files through nibabel, teem's unu and plastimatch (ITK): places and values agree.
#include <gtest/gtest.h>

#include <cmath>

#include "base/host.h"
#include "image/volume/made_volumes.h"

namespace {

using namespace rouage;
using namespace rouage::image;
using made::distance;
using made::Folder;
namespace fs = std::filesystem;

const fs::path kData = fs::path(ROUAGE_SHARED_DIR) / "data";

/// Both compute in double from the same floats; what differs is the order of a quaternion's operations.
constexpr double kPlaceMm = 1e-4;

bool has(const char* program) {
  return std::system((std::string("command -v ") + program + " >/dev/null").c_str()) == 0;
}

/// Values equal bit by bit, NaN equal to NaN.
bool same_values(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

void expect_as_peer(const fs::path& path, const fs::path& dump) {
  const auto theirs = made::read_dump(dump).channels;
  const auto ours = read_channels(path);
  ASSERT_EQ(ours.size(), theirs.size()) << path;
  for (std::size_t c = 0; c < ours.size(); ++c) {
    EXPECT_TRUE(same_grid(ours[c].grid, theirs[c].grid, kPlaceMm)) << path;
    EXPECT_TRUE(same_values(ours[c].values, theirs[c].values)) << path << " channel " << c;
  }
}

/// `command` of volume_peers.py on each file, one process for all; then compared.
void compare(const std::string& command, const std::vector<fs::path>& files, const Folder& folder) {
  std::string list;
  for (std::size_t n = 0; n < files.size(); ++n)
    list += files[n].string() + "\t" + (folder / (std::to_string(n) + ".dump")).string() + "\n";
  made::write(folder / "list", list);
  ASSERT_TRUE(made::peer(command + " " + (folder / "list").string()));
  for (std::size_t n = 0; n < files.size(); ++n) expect_as_peer(files[n], folder / (std::to_string(n) + ".dump"));
}

TEST(VolumePeers, RealNiftiFilesAreWhatNibabelFinds) {
  if (!fs::exists(kData)) GTEST_SKIP() << "no ../shared/data";
  if (!made::has_nibabel()) GTEST_SKIP() << "no python3-nibabel";
  const Folder folder;
  std::vector<fs::path> files;
  for (const char* part : {"ct_totalsegmentator", "ct_moose_neck", "ct_niivue", "nnunet_golden",
                           "ibsi/ibsi_1_digital_phantom", "ibsi/ibsi_1_ct_radiomics_phantom", "petct_sts_pairs"})
    for (const fs::path& path : files_below(kData / part))
      if (is_volume_name(path) && path.filename() != "spine_report.nii.gz") files.push_back(path);
  ASSERT_GT(files.size(), 30u);
  compare("dump", files, folder);
}

TEST(VolumePeers, APictureInColoursIsRefused) {
  const fs::path path = kData / "ct_totalsegmentator/spine_report/example_ct_report/spine_report.nii.gz";
  if (!fs::exists(path)) GTEST_SKIP() << "no ../shared/data";
  EXPECT_EQ(made::refusal([&] { read_volume(path); }), ErrorCode::VolumeInvalid);
}

/// Every type, both byte orders, both versions, scaling, qform alone, no form, channels, a pair.
TEST(VolumePeers, NiftiFilesThatNibabelMakesAreReadAsNibabelReadsThem) {
  if (!made::has_nibabel()) GTEST_SKIP() << "no python3-nibabel";
  const Folder folder;
  ASSERT_TRUE(made::peer("make " + folder.path().string()));
  int files = 0;
  for (const fs::path& dump : files_below(folder.path())) {
    if (dump.extension() != ".dump") continue;
    expect_as_peer(fs::path(dump).replace_extension(), dump);
    ++files;
  }
  EXPECT_EQ(files, 46);
}

TEST(VolumePeers, NibabelReadsWhatWeWrite) {
  if (!made::has_nibabel()) GTEST_SKIP() << "no python3-nibabel";
  const Folder folder;
  std::vector<fs::path> files;
  for (const std::string& letters : made::orientations()) {
    files.push_back(folder / (letters + ".nii.gz"));
    write_volume(files.back(), reoriented(made::phantom(true), letters));
  }
  compare("dump", files, folder);
}

TEST(VolumePeers, NibabelFindsTheNamesOfLabels) {
  if (!made::has_nibabel()) GTEST_SKIP() << "no python3-nibabel";
  const Folder folder;
  LabelMap map{made::phantom(false).grid, std::vector<std::uint16_t>(504), ""};
  write_label_map(folder / "a.nii.gz", map, {.labels = {{1, "spleen"}, {2, "R\xC3\xA9gion <&> ]]> 2"}}});
  ASSERT_TRUE(made::peer("names " + (folder / "a.nii.gz").string() + " " + (folder / "names").string()));
  EXPECT_EQ(read_text(folder / "names"), "1\tspleen\n2\tR\xC3\xA9gion <&> ]]> 2\n");
}

TEST(VolumePeers, RealNrrdFilesAreWhatUnuFinds) {
  if (!fs::exists(kData)) GTEST_SKIP() << "no ../shared/data";
  if (!has("teem-unu") || !made::has_nibabel()) GTEST_SKIP() << "no teem-apps";
  const Folder folder;
  std::vector<fs::path> files;
  for (const char* part : {"pyradiomics", "dicom/dcmqi_seg"})
    for (const fs::path& path : files_below(kData / part))
      if (path.extension() == ".nrrd") files.push_back(path);
  ASSERT_GT(files.size(), 6u);
  compare("unu", files, folder);
}

TEST(VolumePeers, UnuReadsWhatWeWriteAndWeReadWhatUnuMakesOfIt) {
  if (!has("teem-unu") || !made::has_nibabel()) GTEST_SKIP() << "no teem-apps";
  const Folder folder;
  const Volume<float> phantom = made::phantom(true);
  write_volume(folder / "ours.nrrd", phantom);
  compare("unu", {folder / "ours.nrrd"}, folder);
  const auto unu = [&](const std::string& command, const std::string& out) {
    const std::string in = (folder / "ours.nrrd").string(), to = (folder / out).string();
    EXPECT_EQ(std::system(("teem-unu " + command + " -i '" + in + "' | teem-unu save -i - -f nrrd -e raw -en big -o '" +
                           to + "'")
                              .c_str()),
              0);
    return read_volume(folder / out);
  };
  const Point3 truth = made::marker_place(phantom);
  EXPECT_EQ(unu("permute -p 0 1 2", "same.nrrd").values, phantom.values);
  for (const char* order : {"1 2 0", "2 0 1", "0 2 1"})
    EXPECT_LT(distance(made::marker_place(unu(std::string("permute -p ") + order, "turned.nrrd")), truth), kPlaceMm);
  EXPECT_LT(distance(made::marker_place(unu("flip -a 0", "flipped.nrrd")), truth), kPlaceMm);
  ASSERT_EQ(
      std::system(
          ("cd '" + folder.path().string() + "' && teem-unu save -i ours.nrrd -f nrrd -e gzip -o far.nhdr").c_str()),
      0);
  EXPECT_EQ(read_volume(folder / "far.nhdr").values, phantom.values);
  EXPECT_EQ(read_grid(folder / "far.nhdr"), phantom.grid);
}

TEST(VolumePeers, PlastimatchKeepsTheMarkerBetweenFormats) {
  if (!has("plastimatch")) GTEST_SKIP() << "no plastimatch";
  const Folder folder;
  for (const char* letters : {"LPS", "RAS", "PIR", "SAL"}) {
    const Volume<float> phantom = reoriented(made::phantom(true), letters);
    for (const char* from : {".mha", ".nrrd", ".nii.gz"})
      for (const char* to : {".mha", ".nrrd", ".nii.gz"}) {
        const auto in = folder / (std::string("in") + from), out = folder / (std::string("out") + to);
        write_volume(in, phantom);
        ASSERT_EQ(std::system(("plastimatch convert --input '" + in.string() + "' --output-img '" + out.string() +
                               "' > '" + (folder / "log").string() + "' 2>&1")
                                  .c_str()),
                  0)
            << read_text(folder / "log");
        const Volume<float> back = read_volume(out);
        EXPECT_LT(distance(made::marker_place(back), made::marker_place(phantom)), kPlaceMm) << letters << from << to;
        EXPECT_EQ(back.values, phantom.values) << letters << from << to;
      }
  }
}

}  // namespace
