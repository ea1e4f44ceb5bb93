unlisten {channel};
