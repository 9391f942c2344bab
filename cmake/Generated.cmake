# Tables written as TOML become C++ in the build folder; nothing generated lives in src/.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
function(rouage_generate script input output)
  get_filename_component(folder "${output}" DIRECTORY)
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/generated/${folder}")
  add_custom_command(
    OUTPUT "${CMAKE_BINARY_DIR}/generated/${output}"
    COMMAND Python3::Interpreter "${CMAKE_SOURCE_DIR}/scripts/${script}" "${CMAKE_SOURCE_DIR}/${input}" "${CMAKE_BINARY_DIR}/generated/${output}"
    DEPENDS "${CMAKE_SOURCE_DIR}/scripts/${script}" "${CMAKE_SOURCE_DIR}/${input}"
    COMMENT "${input} -> ${output}" VERBATIM)
  set_property(GLOBAL APPEND PROPERTY ROUAGE_GENERATED "${CMAKE_BINARY_DIR}/generated/${output}")
endfunction()
