// Names of the values of an enumeration, once: requests are read by them, and errors and the self-description
// of the addon list them.
#pragma once

namespace prompt_attention {

template <class Kind>
struct Named {
  Kind kind;
  const char* name;
};

}  // namespace prompt_attention
