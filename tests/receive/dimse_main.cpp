// The test program is its own DIMSE listener: DimseFront starts it again as `receive_test receive --listener`.
#include <gtest/gtest.h>

#include <cstring>

#include "receive/dimse_front.h"

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "receive") == 0 && std::strcmp(argv[2], "--listener") == 0)
    return rouage::receive::dimse_listener_as_child();
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
