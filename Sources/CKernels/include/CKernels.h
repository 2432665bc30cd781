#pragma once
#include "System.h"
