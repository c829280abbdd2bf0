/* Empty on purpose: header parsers know the fixed-width types. */
