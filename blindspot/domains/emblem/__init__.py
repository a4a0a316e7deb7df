"""The domain emblem: photographs and drawings, some with a planted emblem of our own design."""
