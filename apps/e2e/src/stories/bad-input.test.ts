/** Bad input gets the right status, the right code and a sentence that helps, and harms nothing. */
