// Pickles as plain data: what is read, and that everything else is refused without being carried out.
#include "infer/checkpoint/pickle.h"

#include <gtest/gtest.h>

#include <bit>

#include "peers.h"

namespace rouage::infer::checkpoint {
namespace {

using testing::expect_refused;
namespace fs = std::filesystem;

/// Protocol 2, the given opcodes, STOP.
Pickle read(const std::string& body, const PickleLimits& limits = {}) {
  const std::string all = std::string("\x80\x02", 2) + body + ".";
  return read_pickle(std::span(reinterpret_cast<const std::uint8_t*>(all.data()), all.size()), limits);
}
std::string text(const std::string& value) {
  std::string made = "X";
  for (int shift = 0; shift < 32; shift += 8) made += static_cast<char>(value.size() >> shift);
  return made + value;
}
std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

TEST(Pickle, ReadsNumbersOfEveryWidth) {
  using namespace std::string_literals;
  const Pickle p =
      read("(K\x07M\x01\x02J\xff\xff\xff\xff\x8a\x01\x80\x8a\x08\0\0\0\0\0\0\0\x80\x8a\0\x88G\x3f\xf8\0\0\0\0\0\0Nt"s);
  const std::vector<Ref>& items = p.at(p.root()).items;
  ASSERT_EQ(items.size(), 9U);
  const std::int64_t wanted[] = {7, 513, -1, -128, INT64_MIN, 0, 1};
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(p.integer_of(items[i]), wanted[i]) << i;
  EXPECT_EQ(p.at(items[6]).kind, Kind::boolean);
  EXPECT_EQ(p.at(items[7]).real, 1.5);
}

TEST(Pickle, FindsTheLastValueOfAKey) {
  const Pickle p = read("}(" + text("a") + "K\x01" + text("b") + "K\x02" + text("a") + "K\x03u");
  EXPECT_EQ(p.integer_of(*p.find(p.root(), "a")), 3);
  EXPECT_EQ(p.integer_of(*p.find(p.root(), "b")), 2);
  EXPECT_FALSE(p.find(p.root(), "c"));
}

TEST(Pickle, AnOrderedDictIsADict) {
  const Pickle p = read(global("collections", "OrderedDict") + ")R(" + text("k") + "K\x05u");
  EXPECT_EQ(p.integer_of(*p.find(p.root(), "k")), 5);
}

TEST(Pickle, AnUnknownObjectIsKeptAsANameAndNeverMade) {
  const Pickle p = read(global("nnunetv2.training", "Logger") + ")\x81}" + text("x") + "K\x01sb");
  EXPECT_EQ(p.callee(p.root()), "nnunetv2.training Logger");
  expect_refused([&] { (void)p.json_of(p.root()); }, "nnunetv2.training Logger");
}

TEST(Pickle, NumpyScalarsAreNumbers) {
  using namespace std::string_literals;
  const std::string dtype = global("numpy", "dtype") + text("f8") + "\x89\x88\x87R(K\x03" + text("<") +
                            "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"s;
  // As protocol 2 writes bytes: Latin-1 in UTF-8, through _codecs.encode.
  const std::string raw = global("_codecs", "encode") + text("\0\0\0\0\0\0\xc3\xb8\x3f"s) + text("latin1") + "\x86R";
  const Pickle p = read(global("numpy.core.multiarray", "scalar") + dtype + raw + "\x86R");
  EXPECT_EQ(p.json_of(p.root()), "1.5");
  EXPECT_FALSE(p.integer_of(p.root()));
}

TEST(Pickle, RefusesNamesThatRunSomething) {
  const fs::path mark = fs::path(::testing::TempDir()) / "rouage-pickle-executed";
  fs::remove(mark);
  const std::string command = text("touch " + mark.string()) + "\x85R";
  for (const auto& [module, name] :
       std::vector<std::pair<std::string, std::string>>{{"os", "system"},
                                                        {"posix", "system"},
                                                        {"nt", "system"},
                                                        {"subprocess", "Popen"},
                                                        {"builtins", "eval"},
                                                        {"__builtin__", "exec"},
                                                        {"builtins", "getattr"},
                                                        {"importlib", "import_module"},
                                                        {"torch.hub", "load"},
                                                        {"torch", "load"},
                                                        {"codecs", "open"},
                                                        {"os.path", "exists"},
                                                        {"collections", "abc.os.system"}}) {
    SCOPED_TRACE(module + "." + name);
    expect_refused([&, m = module, n = name] { read(global(m, n) + command); }, module + "." + name);
    // Written with STACK_GLOBAL, and hidden as a value that nobody looks at.
    expect_refused([&, m = module, n = name] { read("}" + text("x") + text(m) + text(n) + "\x93" + command + "s"); },
                   module + "." + name);
  }
  EXPECT_FALSE(fs::exists(mark));
}

TEST(Pickle, NamesTheByteAtWhichItStopped) {
  expect_refused([] { read(text("abc") + global("os", "system") + ")R"); }, "data.pkl, byte 10");
}

TEST(Pickle, RefusesOpcodesOutsideTheSubset) {
  for (const std::string& op :
       {std::string("I1\n"), std::string("S'a'\n"), std::string("ios\nsystem\n"), std::string("p0\n"),
        std::string("\x82\x01"), std::string("P0\n"), std::string("\x97"), std::string("\xff")})
    expect_refused([&] { read("N" + op); }, "outside the subset");
}

TEST(Pickle, RefusesStacksThatDoNotAddUp) {
  for (const std::string& body : {std::string("N0"), std::string("t"), std::string("(NN"), std::string("NN"),
                                  std::string("h\x05"), std::string("NNs"), std::string("}(Nu"), std::string("0"),
                                  std::string("NR"), std::string("NNR"), std::string("Na"), std::string("KaKb"),
                                  std::string("(0("), std::string("N(0e"), std::string("2"), std::string("NNb")})
    expect_refused([&] { read(body); }, "data.pkl, byte");
}

TEST(Pickle, RefusesLengthsBeyondItsEnd) {
  using namespace std::string_literals;
  for (const std::string& body : {"X\xff\xff\xff\x7f"s, "\x8d\xff\xff\xff\xff\xff\xff\xff\xff"s, "B\xff\xff\xff\xff"s,
                                  "\x8b\xff\xff\xff\x7f"s, "\x95\xff\xff\xff\xff\xff\xff\xff\xff"s, "cos"s, "G\x01"s})
    expect_refused([&] { read(body); }, "data.pkl, byte");
}

TEST(Pickle, RefusesTextThatIsNotUtf8) {
  expect_refused([] { read(text("\xff\xfe")); }, "UTF-8");
}

TEST(Pickle, RefusesOtherProtocols) {
  for (const std::string& all :
       {std::string("\x80\x01N."), std::string("\x80\x06N."), std::string("N."), std::string("."), std::string()})
    expect_refused([&] { read_pickle(std::span(reinterpret_cast<const std::uint8_t*>(all.data()), all.size())); },
                   "data.pkl");
}

TEST(Pickle, DeepNestingCostsNothingAndIsRefusedOnlyWhereItIsRead) {
  std::string body;
  for (int i = 0; i < 200'000; ++i) body += ']';
  for (int i = 1; i < 200'000; ++i) body += 'a';
  const Pickle p = read(body);
  expect_refused([&] { (void)p.json_of(p.root()); }, "nested deeper");
}

TEST(Pickle, AValueThatHoldsItselfIsNoTrap) {
  const Pickle p = read(std::string("]q\0h\0a", 6));
  expect_refused([&] { (void)p.json_of(p.root()); }, "nested deeper");
}

TEST(Pickle, ListsThatDoubleThemselvesStayShortAndAreRefusedWhereTheyAreRead) {
  using namespace std::string_literals;
  std::string body = "]";  // 40 levels of two references: 2^40 values written out
  for (char i = 0; i < 40; ++i) body += "q"s + i + "0](h"s + i + "h"s + i + "e";
  const Pickle p = read(body);
  expect_refused([&] { (void)p.json_of(p.root()); }, "more values");
}

TEST(Pickle, ALongTextInManyPlacesIsRefusedWhereItIsRead) {
  std::string body = text(std::string(1 << 20, 'x')) + std::string("q\0", 2) + "0](";
  for (int i = 0; i < 5000; ++i) body += std::string("h\0", 2);
  const Pickle p = read(body + "e");
  expect_refused([&] { (void)p.json_of(p.root()); }, "more text");
}

TEST(Pickle, LimitsAreKept) {
  expect_refused([] { read(std::string(2000, ']') + std::string(1999, 'a'), {.nodes = 1000}); },
                 "more than 1000 values");
  expect_refused([] { read("N" + std::string(2000, '2') + std::string(2000, '0'), {.references = 1000}); },
                 "more values in use");
  expect_refused([] { read(std::string(2000, ']'), {.bytes = 100}); }, "at most 100");
}

}  // namespace
}  // namespace rouage::infer::checkpoint
