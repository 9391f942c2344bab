# rouage_room(NAME SOURCES... [PUBLIC room...] [LIBRARIES lib...])
# One static library `rouage_NAME`. PUBLIC: earlier rooms it includes. LIBRARIES: third-party, kept inside its .cpp files.
function(rouage_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;PUBLIC;LIBRARIES" ${ARGN})
  add_library(rouage_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(rouage_${name} PUBLIC "${CMAKE_SOURCE_DIR}/src" "${CMAKE_BINARY_DIR}/generated")
  foreach(room ${ROOM_PUBLIC})
    target_link_libraries(rouage_${name} PUBLIC rouage_${room})
  endforeach()
  target_link_libraries(rouage_${name} PUBLIC rouage_options PRIVATE ${ROOM_LIBRARIES})
  target_precompile_headers(rouage_${name} PRIVATE
    <algorithm> <array> <cmath> <cstdint> <filesystem> <map> <optional> <span> <string> <string_view> <variant> <vector>)
endfunction()

# rouage_test(NAME SOURCES... ROOMS room... [LIBRARIES lib...]): one GoogleTest program, its cases found by CTest.
function(rouage_test name)
  cmake_parse_arguments(T "" "" "SOURCES;ROOMS;LIBRARIES" ${ARGN})
  if(NOT T_SOURCES)
    return()
  endif()
  add_executable(${name} ${T_SOURCES})
  foreach(room ${T_ROOMS})
    target_link_libraries(${name} PRIVATE rouage_${room})
  endforeach()
  target_link_libraries(${name} PRIVATE rouage_options GTest::gtest_main ${T_LIBRARIES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests")
  target_compile_definitions(${name} PRIVATE
    ROUAGE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" ROUAGE_SHARED_DIR="${CMAKE_SOURCE_DIR}/../shared" ROUAGE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  # Tests compare and count with plain numbers; gtest's macros are half an if. Per source, so that it comes last.
  set_source_files_properties(${T_SOURCES} PROPERTIES COMPILE_OPTIONS
    "-Wno-conversion;-Wno-double-promotion;-Wno-dangling-else;-Wno-missing-field-initializers")
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 300 LABELS ${name})
endfunction()
