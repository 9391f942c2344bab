#include "dicom/volume_objects/dataset_stream.h"

#include <zlib.h>

#include <array>
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "dicom/reading_elements.h"

namespace rouage::dicom::stream {
namespace {

/// Fastest level: label planes are runs, on which the higher levels gain a few percent for several times the time.
constexpr int kDeflateLevel = 1;

struct DeflateEnd {
  void operator()(z_stream* stream) const { deflateEnd(stream); }
};

/// The blocks between the makers and the taker.
struct Window {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::size_t, Bytes> ready;
  std::map<std::size_t, std::exception_ptr> failed;
  std::size_t next_made = 0, next_taken = 0;
  bool stopped = false;
};

void make_blocks(Window& window, std::size_t count, std::size_t widest, const std::function<Bytes(std::size_t)>& make) {
  for (;;) {
    std::size_t block = 0;
    {
      std::unique_lock lock(window.mutex);
      window.changed.wait(lock, [&] {
        return window.stopped || window.next_made >= count || window.next_made < window.next_taken + widest;
      });
      if (window.stopped || window.next_made >= count) return;
      block = window.next_made++;
    }
    Bytes bytes;
    std::exception_ptr problem;
    try {
      bytes = make(block);
    } catch (...) {
      problem = std::current_exception();
    }
    const std::lock_guard lock(window.mutex);
    if (problem)
      window.failed.emplace(block, problem);
    else
      window.ready.emplace(block, std::move(bytes));
    window.changed.notify_all();
  }
}

/// Stops and joins the makers, whatever happens to the taker.
struct Makers {
  Window& window;
  std::vector<std::thread> threads;
  ~Makers() {
    {
      const std::lock_guard lock(window.mutex);
      window.stopped = true;
    }
    window.changed.notify_all();
    for (std::thread& thread : threads) thread.join();
  }
};

}  // namespace

void append_u16(Bytes& out, std::uint16_t value) {
  out.push_back(static_cast<std::uint8_t>(value & 0xFF));
  out.push_back(static_cast<std::uint8_t>(value >> 8));
}

void append_u32(Bytes& out, std::uint32_t value) {
  append_u16(out, static_cast<std::uint16_t>(value & 0xFFFF));
  append_u16(out, static_cast<std::uint16_t>(value >> 16));
}

void append_tag(Bytes& out, const DcmTagKey& tag) {
  append_u16(out, tag.getGroup());
  append_u16(out, tag.getElement());
}

Bytes implicit_bytes(std::span<const std::uint8_t> explicit_bytes) {
  Bytes out;
  for (std::size_t at = 0; at < explicit_bytes.size();) {
    const auto element = reading::read_element_header(explicit_bytes, at, {true, false});
    if (!element || element->claimed > explicit_bytes.size() - at)
      throw Error(ErrorCode::Internal, "a data set of our own cannot be read back");
    const auto value = explicit_bytes.subspan(at, element->claimed);
    at += element->claimed;
    append_u16(out, static_cast<std::uint16_t>(element->tag >> 16));
    append_u16(out, static_cast<std::uint16_t>(element->tag & 0xFFFF));
    // A sequence holds items, an item holds elements; both are walked in the same way.
    const bool nested = element->is_vr("SQ") || element->tag == 0xFFFEE000;
    const Bytes inner = nested ? implicit_bytes(value) : Bytes(value.begin(), value.end());
    append_u32(out, static_cast<std::uint32_t>(inner.size()));
    out.insert(out.end(), inner.begin(), inner.end());
  }
  return out;
}

Bytes deflated(std::span<const std::uint8_t> bytes, bool last) {
  z_stream stream{};
  if (deflateInit2(&stream, kDeflateLevel, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw Error(ErrorCode::Internal, "zlib cannot start");
  const std::unique_ptr<z_stream, DeflateEnd> guard(&stream);
  stream.next_in = const_cast<Bytef*>(bytes.data());  // zlib only reads through it
  stream.avail_in = static_cast<uInt>(bytes.size());
  Bytes out;
  std::array<std::uint8_t, 65'536> piece;
  int state = Z_OK;
  do {  // a flush is over when it leaves room
    stream.next_out = piece.data();
    stream.avail_out = static_cast<uInt>(piece.size());
    state = deflate(&stream, last ? Z_FINISH : Z_SYNC_FLUSH);
    out.insert(out.end(), piece.begin(), piece.end() - static_cast<std::ptrdiff_t>(stream.avail_out));
  } while (stream.avail_out == 0);
  // Z_BUF_ERROR: the flush ended just where the piece did, and there was nothing left to do.
  if (stream.avail_in != 0 || (last ? state != Z_STREAM_END : state != Z_OK && state != Z_BUF_ERROR))
    throw Error(ErrorCode::Internal, "zlib did not take a block");
  return out;
}

Bytes BufferPool::take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return {};
  Bytes buffer = std::move(free_.back());
  free_.pop_back();
  buffer.clear();
  return buffer;
}

void BufferPool::give_back(Bytes buffer) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(buffer));
}

void in_order(std::size_t count, unsigned threads, const std::function<Bytes(std::size_t)>& make,
              const std::function<void(Bytes)>& take) {
  if (threads <= 1) {
    for (std::size_t block = 0; block < count; ++block) take(make(block));
    return;
  }
  Window window;
  Makers makers{window, {}};
  for (unsigned i = 0; i < threads; ++i)
    makers.threads.emplace_back([&] { make_blocks(window, count, 2 * std::size_t{threads}, make); });
  for (std::size_t block = 0; block < count; ++block) {
    Bytes bytes;
    {
      std::unique_lock lock(window.mutex);
      window.changed.wait(lock, [&] { return window.ready.contains(block) || window.failed.contains(block); });
      if (window.failed.contains(block)) std::rethrow_exception(window.failed.at(block));
      bytes = std::move(window.ready.at(block));
      window.ready.erase(block);
      window.next_taken = block + 1;
    }
    window.changed.notify_all();
    take(std::move(bytes));
  }
}

}  // namespace rouage::dicom::stream
