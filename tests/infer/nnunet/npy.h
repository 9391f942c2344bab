// NumPy files (format 1.0, little endian) of the golden data and of Python twins, and a tiny NIfTI reader.
#pragma once
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "image/volume.h"
#include "infer/float16.h"

namespace rouage::testing {

struct Npy {
  std::string type;  ///< "<f8", "<f4", "<f2", "|u1", "<i2", ...
  std::vector<std::size_t> shape;
  std::string bytes;
  std::size_t size() const { return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>()); }

  template <class T>
  std::vector<T> as() const {
    std::vector<T> out(bytes.size() / sizeof(T));
    std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
    return out;
  }
  std::vector<double> doubles() const {
    const auto cast = [](const auto& v) { return std::vector<double>(v.begin(), v.end()); };
    if (type == "<f8") return as<double>();
    if (type == "<f4") return cast(as<float>());
    if (type == "<f2") return cast(infer::halves_to_floats(as<std::uint16_t>()));
    if (type == "|u1") return cast(as<std::uint8_t>());
    if (type == "|i1") return cast(as<std::int8_t>());
    if (type == "<i2") return cast(as<std::int16_t>());
    if (type == "<i4") return cast(as<std::int32_t>());
    if (type == "<i8") return cast(as<std::int64_t>());
    ADD_FAILURE() << "type " << type;
    return {};
  }
};

inline Npy read_npy(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  Npy npy;
  if (text.size() < 10 || text.compare(1, 5, "NUMPY") != 0) {
    ADD_FAILURE() << "no NumPy file: " << path;
    return npy;
  }
  const std::size_t length = static_cast<unsigned char>(text[8]) + 256U * static_cast<unsigned char>(text[9]);
  const std::string head = text.substr(10, length);
  EXPECT_EQ(head.find("True"), std::string::npos) << "Fortran order: " << path;
  const std::size_t at = head.find("'descr': '") + 10;
  npy.type = head.substr(at, head.find('\'', at) - at);
  std::stringstream shape(head.substr(head.find('(') + 1, head.find(')') - head.find('(') - 1));
  for (std::string part; std::getline(shape, part, ',');)
    if (part.find_first_of("0123456789") != std::string::npos) npy.shape.push_back(std::stoul(part));
  npy.bytes = text.substr(10 + length);
  return npy;
}

inline void write_npy(const std::filesystem::path& path, const std::string& type, const std::vector<std::size_t>& shape,
                      const void* data, std::size_t bytes) {
  std::string text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (";
  for (const std::size_t n : shape) text += std::to_string(n) + ",";
  text += "), }";
  text.append((64 - (10 + text.size() + 1) % 64) % 64, ' ');
  text += '\n';
  std::ofstream file(path, std::ios::binary);
  file.write("\x93NUMPY\x01\x00", 8);
  file.put(static_cast<char>(text.size() & 255U)).put(static_cast<char>(text.size() >> 8));
  file << text;
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
}
template <class T>
void write_npy(const std::filesystem::path& path, const std::string& type, const std::vector<std::size_t>& shape,
               const std::vector<T>& values) {
  write_npy(path, type, shape, values.data(), values.size() * sizeof(T));
}

/// The few NIfTI-1 files of the golden data: int16 or uint8, sizes and pixdim only.
struct Nifti {
  std::array<std::uint32_t, 3> size{};
  std::array<double, 3> pixdim{};
  std::vector<float> values;
};
inline Nifti read_nifti(const std::filesystem::path& path) {
  Nifti out;
  gzFile file = gzopen(path.c_str(), "rb");
  std::string bytes, block(1 << 16, '\0');
  for (int n = 1; file != nullptr && n > 0;) {
    n = gzread(file, block.data(), static_cast<unsigned>(block.size()));
    if (n > 0) bytes.append(block, 0, static_cast<std::size_t>(n));
  }
  if (file != nullptr) gzclose(file);
  if (bytes.size() < 352) {
    ADD_FAILURE() << "no NIfTI file: " << path;
    return out;
  }
  std::int16_t dim[8], type = 0;
  float pixdim[8], offset = 0;
  std::memcpy(dim, bytes.data() + 40, sizeof dim);
  std::memcpy(&type, bytes.data() + 70, sizeof type);
  std::memcpy(pixdim, bytes.data() + 76, sizeof pixdim);
  std::memcpy(&offset, bytes.data() + 108, sizeof offset);
  std::size_t count = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    out.size[a] = static_cast<std::uint32_t>(dim[a + 1]);
    out.pixdim[a] = pixdim[a + 1];
    count *= out.size[a];
  }
  const char* data = bytes.data() + static_cast<std::size_t>(offset);
  for (std::size_t i = 0; i < count; ++i) {
    std::int16_t value = 0;
    if (type == 2)
      value = static_cast<unsigned char>(data[i]);
    else
      std::memcpy(&value, data + 2 * i, 2);
    out.values.push_back(value);
  }
  return out;
}

/// Axes along the patient's, spacing along i, j, k.
inline image::Grid plain_grid(const std::array<std::uint32_t, 3>& size, const std::array<double, 3>& spacing) {
  image::Grid grid;
  grid.size = size;
  for (std::size_t a = 0; a < 3; ++a) grid.step_mm[a][a] = spacing[a];
  return grid;
}

inline std::filesystem::path golden() {
  return std::filesystem::path(ROUAGE_SHARED_DIR) / "data/nnunet_golden";
}

}  // namespace rouage::testing
