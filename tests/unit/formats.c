/* formats.c: the rows, or the error, that a data set gets from annotations in other programs'
 * formats.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder.h"
#include "src/dataset/dataset.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <glib/gstdio.h>

/* files: each begins with a line "=== NAME"; the first file is the location unless one is given.
 * rows: path|label|window|split|group, a line each; a window in frames has a #. error, note: a part
 * of the message. */
typedef struct {
  const gchar *name;
  const gchar *files;
  const gchar *rows, *error, *note;
  const gchar *location, *root, *classes, *annotator, *background, *format;
} Case;

#define VIA_HEADER                                                                               \
  "# Exported using VGG Image Annotator\n# ATTRIBUTE = {\"1\":{\"aname\":\"action\",\"type\":4," \
  "\"options\":{\"0\":\"walk\",\"1\":\"jump\"}}}\n"                                              \
  "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n"
#define CVAT_META                                                                               \
  "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations><version>1.1</version><meta><task>" \
  "<size>20</size><start_frame>0</start_frame><source>a b.mp4</source></task></meta>\n"
#define STUDIO_TASK(video, annotations) \
  "{\"id\":1,\"data\":{\"video\":\"" video "\"},\"annotations\":[" annotations "]}"
#define STUDIO_RANGE(start, end, label)                                                   \
  "{\"type\":\"timelinelabels\",\"value\":{\"ranges\":[{\"start\":" start ",\"end\":" end \
  "}],\"timelinelabels\":[" label "]}}"
#define LONG_TEXT                            \
  "seventy-nine bytes seventy-nine bytes se" \
  "venty-nine bytes seventy-nine bytes 79."
#define CHARADES_HEADER "id,subject,scene,actions,length\n"
#define EPIC_HEADER                                                                             \
  "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,start_frame,stop_frame," \
  "verb,"                                                                                       \
  "noun\n"

static const Case cases[] = {
  /* tables */
  { "names",
      "=== "
      "a.csv\nFilename,Category,Begin,Stop,Partition\na,x,1,2,training\nb,y,0:01.5,01:00:00.25,"
      "testing\n"
      "c,y,,,dev\nd,y,,,Train\n",
      "a|x|1-2|train|\nb|y|1.5-3600.25|test|\nc|y||val|\nd|y||train|\n" },
  { "units", "=== a.csv\nvideo name;action;Start (s);End (s)\na b;x;0,5;1,5\nc;y;1;2,25\n",
      "a b|x|0.5-1.5|train|\nc|y|1-2.25|train|\n" },
  { "bars", "=== a.txt\na.mp4|x\nb.mp4|y\n", "a.mp4|x||train|\nb.mp4|y||train|\n" },
  { "tabs", "=== a.csv\na b.mp4\tx\nb.mp4\ty\n", "a b.mp4|x||train|\nb.mp4|y||train|\n" },
  { "decimal-comma", "=== a.csv\na.mp4;x;0,5;1,5\nb.mp4;y;1;2\n",
      "a.mp4|x|0.5-1.5|train|\nb.mp4|y|1-2|train|\n" },
  { "frames", "=== a.csv\nclip,label,first_frame,last_frame\na,x,0,9\nb,y,10.0,\nc,y,,\n",
      "a|x|#0-10|train|\nb|y|#10-inf|train|\nc|y||train|\n" },
  { "frames-order", "=== a.csv\npath,label,start_frame,end_frame\na,x,9,8\n", NULL,
      "a.csv:2:7: the last frame (8) is before the first (9)" },
  { "frames-number", "=== a.csv\npath,label,start_frame,end_frame\na,x,1.5,8\n", NULL,
      "a.csv:2:5: the first frame \"1.5\" is not a frame's number; write a whole number, 0 or "
      "more" },
  /* a message does not cut a character in half */
  { "cut-character", "=== a.csv\npath,label,split\na,x," LONG_TEXT "\xc3\xa4\n", NULL,
      "a.csv:2:5: the split \"" LONG_TEXT "\" is unknown" },
  { "last-frame-number", "=== a.csv\npath,label,start_frame,end_frame\na,x,1,-8\n", NULL,
      "the last frame \"-8\" is not" },
  { "duration", "=== a.csv\npath,label,start,duration\na,x,1,2\nb,y,2,1.5\n",
      "a|x|1-3|train|\nb|y|2-3.5|train|\n" },
  { "ignored",
      "=== "
      "a.csv\npath,label,start,end,duration,verb,person\na,x,1,2,20,run,anna\nb,y,1,2,20,run,bob\n",
      "a|x|1-2|train|\nb|y|1-2|train|\n", NULL,
      "a.csv: columns that are not read: duration, verb, person" },
  { "many-ignored",
      "=== a.csv\npath,label,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u\n"
      "a,x,,,,,,,,,,,,,,,,,,,,,\nb,y,,,,,,,,,,,,,,,,,,,,,\n",
      "a|x||train|\nb|y||train|\n", NULL, "r, s, t and 1 more" },
  { "like-time", "=== a.csv\npath,label,start,stop_ms\na,x,1,2\n", NULL,
      "a.csv:1:18: the column \"stop_ms\" looks like a time, but its name is not known; call it "
      "start, end, start_frame or end_frame, or remove it" },
  { "like-split", "=== a.csv\npath,label,phase\na,x,train\n", NULL,
      "a.csv:1:12: the column \"phase\" looks like a split, but its name is not known; call it "
      "split, or remove it" },
  { "two-labels", "=== a.csv\nvideo,action,category\na,x,y\n", NULL,
      "a.csv:1:14: the header has a second label column; keep one of them" },
  { "documented-wins",
      "=== a.csv\nname,path,action,label,begin,start,subset,split\nn,a,u,x,7,1,test,train\n"
      "n,b,u,y,7,2,test,val\nn,c,u,x,7,0,val,train\n",
      "a|x|1-inf|train|\nb|y|2-inf|val|\nc|x||train|\n", "looks like a time" },
  { "minutes", "=== a.csv\na,x,1:60,2:00\n", NULL,
      "its start \"1:60\" is not a number of seconds" },
  { "utf16", "=== a.csv\n\xFE\xFF\1", NULL,
      "a.csv: not valid UTF-16, which its byte-order mark says it is (" },
  { "binary", "=== a.csv\n\xFF\x01\x02\n", NULL,
      "a.csv:1:1: the byte 0xFF is not UTF-8, but perhaps ISO 8859-1" },
  { "xml", "=== a.xml\n<html><body/></html>\n", NULL,
      "a.xml: XML, but not an export of CVAT for video; export it as \"CVAT for video 1.1\"" },

  { "comments",
      "=== a.csv\n# what, when\n#\n## and by whom\npath;label\n# a;b\n#a.mp4;x\nb.mp4;y # no\n",
      "#a.mp4|x||train|\nb.mp4|y # no||train|\n" },
  { "comment-alone", "=== a.csv\n# nothing\n", NULL, "no clips in it" },
  { "swapped", "=== a.csv\nlabel,path\na.mp4,walk\n", NULL,
      "a.csv:2:1: the label \"a.mp4\" is the name of a video, and the path \"walk\" is not: are "
      "the "
      "columns swapped? Correct the header" },
  { "swapped-alone", "=== a.csv\nwalk,a.mp4\nrun,b.mp4\n", NULL,
      "a.csv:1:6: the label \"a.mp4\" is the name of a video, and the path \"walk\" is not: are "
      "the "
      "columns swapped? Without a header the path comes first" },
  { "several-labels", "=== a.csv\na.mp4,\"walk, run\"\nb.mp4,run\nc.mp4,walk\n", NULL,
      "a.csv: the label \"walk, run\" is several other classes at once; a clip has one class here: "
      "keep one label for each clip" },
  { "several-labels-bar", "=== a.csv\na.mp4,walk|run\nb.mp4,run\nc.mp4,sit;x\n",
      "a.mp4|walk|run||train|\nb.mp4|run||train|\nc.mp4|sit;x||train|\n", NULL,
      "The class \"walk|run\" may be several labels of one clip, one of which is a class, too; a "
      "clip "
      "has one class here" },

  /* lists */
  { "list-comments", "=== a.txt\n# by hand\na b.mp4 0\n  # more\n#c.mp4 1\n",
      "a b.mp4|0||train|\n#c.mp4|1||train|\n" },
  { "list-several-names", "=== a.txt\na.mp4 run\nb c.mp4 walk run\n", NULL,
      "a.txt:2:9: several words after the video's name: a clip has one class here, and names of "
      "classes with blanks need a comma or a tab before them" },
  { "list-video-folder", "=== a.txt\na.mp4 x/b 1\nc.mp4 y/d 0\n",
      "a.mp4 x/b|1||train|\nc.mp4 y/d|0||train|\n" },
  { "list", "=== a.csv\npath label\na b (1).mp4  3\n\"c d.mp4\" 10\n/x/e.mp4 3\r\n",
      "a b (1).mp4|3||train|\nc d.mp4|10||train|\n/x/e.mp4|3||train|\n" },
  { "list-frames", "=== a.txt\nframes/a 6 0\nframes/b c 12 1\n",
      "frames/a|0|#0-6|train|\nframes/b c|1|#0-12|train|\n" },
  { "list-no-frames", "=== a.txt\nframes/a 0 0\n", NULL,
      "a.txt:1:10: the last frame (-1) is before the first (0)" },
  { "list-several", "=== a.txt\na.mp4 1\nb.mp4 1 2\n", NULL,
      "a.txt:2:7: several labels; a clip has one class here: keep one label in each line" },
  { "list-offset", "=== a.txt\nframes/a 1 6 0\n", NULL,
      "a.txt:1:10: three numbers after the path; write a CSV" },
  { "list-label", "=== a.txt\nb.mp4 1\na c.mp4\n", NULL,
      "a.txt:2:1: the label is missing: a line is path and label, with a blank between" },
  { "list-header", "=== a.txt\npath label start end\n", NULL,
      "a.txt:1:1: columns separated by blanks can only be path and label; separate more columns by "
      "commas or tabs" },
  { "list-number", "=== a.txt\nframes/a 99999999999 0\n", NULL,
      "the number of frames \"99999999999\" is not a frame's" },
  { "list-format", "=== a.txt\na 1\nb 2\n", NULL,
      "a.txt: background is set, but this format (list) does not say what of a video has no label; "
      "unset it",
      .background = "none" },

  /* names of classes */
  { "class-names",
      "=== a.txt\na.mp4 0\nb.mp4 10\nc.mp4 2\n=== "
      "names\nzebra\n\nape\nbear\n3\n4\n5\n6\n7\n8\n9\ncat\n",
      "a.mp4|zebra||train|\nb.mp4|cat||train|\nc.mp4|bear||train|\n", .classes = "names" },
  { "class-numbers", "=== a.txt\na.mp4 5\nb.mp4 7\n=== names\n5 high jump\n7\trun, fast\n",
      "a.mp4|high jump||train|\nb.mp4|run, fast||train|\n", .classes = "names" },
  { "class-table", "=== a.txt\na.mp4 0\nb.mp4 1\n=== names\nid,name\n0,Jump\n1,run\n",
      "a.mp4|Jump||train|\nb.mp4|run||train|\n", .classes = "names" },
  { "class-turned", "=== a.txt\na.mp4 0\nb.mp4 1\n=== names\nname,id\nlevel 2,1\nJump,0\n",
      "a.mp4|Jump||train|\nb.mp4|level 2||train|\n", .classes = "names" },
  { "class-colon", "=== a.txt\na.mp4 0\nb.mp4 1\n=== names\n0: Jump\n1: run\n",
      "a.mp4|Jump||train|\nb.mp4|run||train|\n", .classes = "names" },
  { "class-json", "=== a.txt\na.mp4 0\nb.mp4 1\n=== names\n{\"Jump\":0}\n", NULL,
      "names: JSON; write one name per line, or a number and a name", .classes = "names" },
  { "class-missing", "=== a.txt\na.mp4 0\nb.mp4 2\n=== names\nx\ny\n", NULL,
      "names: no name for the class \"2\"; it names 2 classes, the first of which is \"0\"",
      .classes = "names" },
  { "class-twice", "=== a.txt\na.mp4 0\nb.mp4 1\n=== names\nx\nx\n", NULL,
      "names: two classes are called \"x\"; give each its own name", .classes = "names" },
  { "class-key", "=== a.txt\na.mp4 0\nb.mp4 1\n=== names\n0 x\ny\n", NULL,
      "names:2: the line has no number, but the first one has; write one name per line, or a "
      "number and a name",
      .classes = "names" },
  { "class-key-twice", "=== a.txt\na.mp4 0\nb.mp4 1\n=== names\n0 x\n0 y\n", NULL,
      "names:2: a second name of the class 0", .classes = "names" },
  { "class-empty", "=== a.txt\na.mp4 0\nb.mp4 1\n=== names\n0 x\n1 ,\n", NULL,
      "names:2: the class has no name", .classes = "names" },
  { "class-encoding", "=== a.txt\na.mp4 0\nb.mp4 1\n=== names\n\xFC\n", NULL,
      "names: not UTF-8 text; save the file as UTF-8", .classes = "names" },
  { "class-file", "=== a.txt\na.mp4 0\nb.mp4 1\n", NULL, "none: Failed to open file",
      .classes = "none" },
  { "class-case", "=== a.csv\na,Walk\nb,walk\nc,\"w alk\"\nd,run\ne,RUN\nf,r un\n",
      "a|Walk||train|\nb|walk||train|\nc|w alk||train|\nd|run||train|\ne|RUN||train|\nf|r "
      "un||train|\n",
      NULL,
      "Classes differ by case or blanks only: \"RUN\" and \"r un\", \"RUN\" and \"run\", \"Walk\" "
      "and \"w alk\", and more; write them alike if they are one class" },

  /* UCF101, HMDB51 */
  { "ucf101",
      "=== ucf/trainlist01.txt\n\r\nJump/v_Jump_g02_c01.avi 2\r\nRun/x.avi 1\r\n=== "
      "ucf/classInd.txt\n1 Run\r\n"
      "2 Jump\r\n",
      "Jump/v_Jump_g02_c01.avi|Jump||train|Jump/v_Jump_g02\nRun/x.avi|Run||train|\n" },
  { "ucf101-blanks",
      "=== ucf4/trainlist01.txt\n# train\nBrush Hair/v_Brush Hair_g02_c 01.avi 2\nRun/x 1.avi\n=== "
      "ucf4/classInd.txt\n1 Run\n2 Brush Hair\n",
      "Brush Hair/v_Brush Hair_g02_c 01.avi|Brush Hair||train|Brush Hair/v_Brush Hair_g02\n"
      "Run/x 1.avi|Run||train|\n" },
  { "ucf101-number",
      "=== ucf/a.txt\nJump/a.avi 2\nRun/b.avi 2\n=== ucf/classInd.txt\n1 Run\n2 Jump\n", NULL,
      "a.txt:2:11: not 1, which is the number of the folder's class in classInd.txt" },
  { "ucf101-folder", "=== ucf/a.txt\nJump/a.avi\nWalk/b.avi\n=== ucf/classInd.txt\n1 Run\n2 Jump\n",
      NULL,
      "a.txt:2:1: the folder is not a class of classInd.txt, which is beside it; a line is "
      "Class/video.avi" },
  { "ucf101-index", "=== ucf/a.txt\nJump/a.avi\n=== ucf/classInd.txt\n1 Run\n3 Jump\n", NULL,
      "classInd.txt:2: not the number 2, a blank and the name of a class" },
  { "ucf101-one-column", "=== noindex/a.txt\nJump/a.avi\n", NULL,
      "the label is missing: this row has one column" },
  { "hmdb51",
      "=== hmdb/run_test_split1.txt\na.avi 1 \nb.avi 2 \nc.avi 0 \n=== "
      "hmdb/high_five_test_split1.txt\nd.avi 1\n",
      "high_five/d.avi|high_five||train|\nrun/a.avi|run||train|\nrun/b.avi|run||test|\n",
      .location = "hmdb", .root = "." },
  { "hmdb51-file",
      "=== hmdb2/run_test_split1.txt\na.avi 1\n=== hmdb2/run_test_split2.txt\nb.avi 1\n"
      "=== hmdb2/eat_test_split2.txt\nc.avi 1\n",
      "eat/c.avi|eat||train|\nrun/b.avi|run||train|\n", .location = "hmdb2/run_test_split2.txt" },
  { "hmdb51-beside",
      "=== hmdb5/run_test_split1.txt\na.avi 1\n=== hmdb5/eat_test_split1.txt\nb.avi 1\n"
      "=== hmdb5/run/a.avi\n-\n=== hmdb5/eat/b.avi\n-\n",
      "eat/b.avi|eat||train|\nrun/a.avi|run||train|\n" },
  { "hmdb51-splits",
      "=== hmdb2/run_test_split1.txt\na.avi 1\n=== hmdb2/run_test_split2.txt\nb.avi 1\n", NULL,
      "hmdb2: HMDB51's splits 1 and 2; set location to one file of the split that is wanted, such "
      "as run_test_split1.txt",
      .location = "hmdb2" },
  { "hmdb51-line", "=== hmdb3/run_test_split1.txt\na.avi 1\nb.avi 3\n", NULL,
      "run_test_split1.txt:2:1: not a video's name, a blank, and 0, 1 (train) or 2 (test)" },
  { "hmdb51-text", "=== hmdb4/run_test_split1.txt\na.avi 1\n=== hmdb4/a_test_split1.txt\n\xFF\n",
      NULL, "a_test_split1.txt: it is not UTF-8 text" },
  { "folders", "=== tree/x/a.mp4\n-\n=== tree/y/b.mp4\n-\n", NULL,
      "tree: annotator is set, but this format (class folders) does not say who annotated; unset "
      "it",
      .location = "tree", .annotator = "1" },

  /* Kinetics, Charades, EPIC-KITCHENS, AVA */
  { "kinetics",
      "=== k/a.csv\nlabel,youtube_id,time_start,time_end,split,is_cc\nhigh jump,id1,10,20,train,0\n"
      "run,id2,1,2,validate,0\nrun,id3,7,17,test,0\nrun,-id4,7,17,train,0\n=== "
      "k/v/high_jump/id1_000010_000020.mp4\n-\n"
      "=== k/v/other/id1_000010_000020.mp4\n-\n=== k/v/id2.webm\n-\n=== k/v/id3_7_17.mkv\n-\n",
      "high_jump/id1_000010_000020.mp4|high "
      "jump||train|\nid2.webm|run|1-2|val|\nid3_7_17.mkv|run||test|\n"
      "-id4.mp4|run|7-17|train|\n",
      .root = "k/v" },
  { "kinetics-two",
      "=== k2/a.csv\nlabel,youtube_id,time_start,time_end,split\nrun,id1,10,20,train\n=== "
      "k2/x/id1.mp4\n-\n"
      "=== k2/y/id1.mp4\n-\n",
      NULL, "a.csv:2:5: two files are called id1 below root, " },
  { "kinetics-columns", "=== k2/b.csv\nlabel,youtube_id,time_start,split\n", NULL,
      "the header has no column time_end", .location = "k2/b.csv" },
  { "kinetics-row", "=== k3/a.csv\nlabel,youtube_id,time_start,time_end,split\nx,y\n", NULL,
      "a.csv:2:1: 2 columns, but the header has 5; quote what contains a comma" },
  { "kinetics-format", "=== k3/a.csv\nlabel,youtube_id,time_start,time_end,split\n", NULL,
      "this format (Kinetics' CSV)", .annotator = "1" },
  { "charades",
      "=== c/a.csv\n" CHARADES_HEADER
      "AB1,ann,\"Hall, dark\",c092 11.90 21.20;c147 0.00 12.60,24.5\n"
      "AB2,bob,Hall,,10\n=== c/AB1.mp4\n-\n=== c/names\nc092 Sit\nc147 Stand up\n",
      "AB1.mp4|Sit|11.9-21.2|train|ann\nAB1.mp4|Stand up|0-12.6|train|ann\n",
      .classes = "c/names" },
  { "charades-background",
      "=== c/a.csv\n" CHARADES_HEADER "AB1,ann,Hall,c092 2 3;c147 1 2.5,24.5\n",
      "AB1.mp4|c092|2-3|train|ann\nAB1.mp4|c147|1-2.5|train|ann\nAB1.mp4|none|0-1|train|ann\n"
      "AB1.mp4|none|3-24.5|train|ann\n",
      .background = "none" },
  { "charades-action", "=== c/a.csv\n" CHARADES_HEADER "AB1,ann,Hall,c092 2,24.5\n", NULL,
      "a.csv:2:14: an action is not a class, its start and its end, such as c077 12.10 18.00" },
  { "charades-format", "=== c/a.csv\n" CHARADES_HEADER, NULL, "this format (Charades' CSV)",
      .annotator = "1" },
  { "epic",
      "=== e/a.csv\n" EPIC_HEADER "P01_01_0,P01,P01_01,00:00:00.14,00:01:03.37,8,202,open,door\n"
      "P01_01_1,P01,P01_02,00:00:04.37,00:00:06.17,262,370,turn-on,light\n=== "
      "e/P01/videos/P01_01.MP4\n-\n",
      "P01/videos/P01_01.MP4|open|0.14-63.37|train|P01\nP01_02.mp4|turn-on|4.37-6.17|train|P01\n",
      NULL, "EPIC-KITCHENS: the verb is the class; nouns are not read" },
  { "epic-format", "=== e/b.csv\n" EPIC_HEADER, NULL, "this format (EPIC-KITCHENS' CSV)",
      .background = "none" },
  { "ava", "=== a.csv\n-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1\n", NULL,
      "a.csv:1:1: AVA's rows, with one box each and several labels per box; the networks use "
      "whole frames and one class per clip: write a CSV with path, label, start and "
      "end" },
  { "ava-speech", "=== a.csv\nvideo_id,frame_timestamp,entity_box_x1,entity_box_y1,label\n", NULL,
      "AVA's rows" },
  { "ava-format", "=== a.csv\n-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1\n", NULL,
      "this format (AVA's CSV)", .annotator = "1" },

  /* VIA */
  { "via",
      "=== a.csv\n" VIA_HEADER
      "\"1_a\",\"[\"\"a.mp4\"\"]\",0,\"[1.5,4]\",\"[]\",\"{\"\"1\"\":\"\"0\"\"}\"\n"
      "\"1_b\",\"[\"\"b, \\u00e4.mp4\"\"]\",0,\"[]\",\"[]\",\"{\"\"1\"\":\"\"1\"\"}\"\n"
      "\"1_c\",\"[\"\"a.mp4\"\"]\",0,\"[2]\",\"[2,1,1,5,5]\",\"{\"\"1\"\":\"\"0\"\"}\"\n",
      "a.mp4|walk|1.5-4|train|\nb, \xC3\xA4.mp4|jump||train|\n", NULL,
      "a.csv: rows of single frames, which are left out: 1; a clip has two times" },
  { "via-text",
      "=== a.csv\n# ATTRIBUTES = {\"1\":\"comment\",\"2\":{\"aname\":\"label\"}}\n"
      "# CSV_HEADER = metadata_id,file_list,temporal_coordinates,metadata,,\n"
      "\"1\",\"[\"\"a\"\"]\",\"[1,2]\",\"{\"\"1\"\":\"\"u\"\",\"\"2\"\":\"\"x\"\"}\"\n"
      "\"2\",\"[\"\"b\"\"]\",\"[1,2]\",\"{\"\"2\"\":\"\"y\"\"}\"\n",
      "a|x|1-2|train|\nb|y|1-2|train|\n" },
  { "via-other-options",
      "=== a.csv\n# ATTRIBUTE = {\"1\":{\"aname\":\"mood\",\"options\":{\"0\":\"good\"}},"
      "\"2\":{\"aname\":\"label\"}}\n"
      "# CSV_HEADER = file_list,temporal_coordinates,metadata\n"
      "\"[\"\"a\"\"]\",\"[1,2]\",\"{\"\"1\"\":\"\"0\"\",\"\"2\"\":\"\"0\"\"}\"\n"
      "\"[\"\"b\"\"]\",\"[1,2]\",\"{\"\"2\"\":\"\"y\"\"}\"\n",
      "a|0|1-2|train|\nb|y|1-2|train|\n" },
  { "via-attributes",
      "=== a.csv\n# ATTRIBUTES = {\"1\":{\"aname\":\"a\"},\"2\":{\"aname\":\"b\"}}\n"
      "# CSV_HEADER = file_list,temporal_coordinates,metadata\n",
      NULL,
      "a.csv:1:16: 2 attributes; call the one that is the class \"label\", and only that one" },
  { "via-option",
      "=== a.csv\n" VIA_HEADER
      "\"1\",\"[\"\"a\"\"]\",0,\"[1,2]\",\"[]\",\"{\"\"1\"\":\"\"0,1\"\"}\"\n",
      NULL, "\"0,1\" is not one of the attribute's options; a clip has one class" },
  { "via-files",
      "=== a.csv\n" VIA_HEADER
      "\"1\",\"[\"\"a\"\",\"\"b\"\"]\",0,\"[1,2]\",\"[]\",\"{\"\"1\"\":\"\"0\"\"}\"\n",
      NULL, "file_list is not a list of one video" },
  { "via-json", "=== a.csv\n" VIA_HEADER "\"1\",\"[\"\"a\"\"]\",0,\"[1,2\",\"[]\",\"{}\"\n", NULL,
      "a.csv:4:17: not the JSON that VIA writes: the JSON ends too early" },
  { "via-scalar", "=== a.csv\n" VIA_HEADER "\"1\",3,0,\"[1,2]\",\"[]\",\"{}\"\n", NULL,
      "neither an object nor an array" },
  { "via-header", "=== a.csv\n# CSV_HEADER = file_list,temporal_coordinates\n", NULL,
      "a.csv:1:16: the header needs file_list, temporal_coordinates and metadata" },
  { "via-format", "=== a.csv\n" VIA_HEADER, NULL, "this format (VIA's CSV)", .annotator = "1" },

  /* manifests that predate other formats are still read as manifests */
  { "own-kinetics",
      "=== a.csv\npath,label,youtube_id,time_start,start,end\na,x,i,7,1,2\nb,y,j,7,1,2\n",
      "a|x|1-2|train|\nb|y|1-2|train|\n" },
  { "own-charades", "=== a.csv\nvideo,label,id,subject,actions,length\na,x,1,2,3,4\nb,y,1,2,3,4\n",
      "a|x||train|\nb|y||train|\n" },
  { "own-ucf101", "=== a.tsv\nx/a.avi\tx\ny/b.avi\ty\n=== classInd.txt\n1 x\n2 y\n",
      "x/a.avi|x||train|\ny/b.avi|y||train|\n" },
  { "own-hmdb51", "=== my_test_split1.txt\na,x\nb,y\n", "a|x||train|\nb|y||train|\n" },
  { "own-folders", "=== t/a_test_split1.txt\nx 1\n=== t/x/a.mp4\n-\n=== t/y/b.mp4\n-\n",
      "x/a.mp4|x||train|\ny/b.mp4|y||train|\n", .location = "t" },
  { "own-json",
      "=== "
      "a.json\n{\"database\":\"d\",\"videos\":[{\"path\":\"a\",\"label\":\"x\",\"annotations\":[{}]"
      "},{\"path\":\"b\",\"segments\":[{\"label\":\"y\",\"segment\":[5,6],\"start\":1,\"end\":2}],"
      "\"annotations\":[]}]}",
      "a|x||train|\nb|y|1-2|train|\n" },
  { "own-list",
      "=== "
      "a.json\n[{\"path\":\"a\",\"label\":\"x\",\"annotations\":[],\"data\":{},\"id\":1,"
      "\"template\":\"\"},{\"path\":\"b\",\"label\":\"y\"}]",
      "a|x||train|\nb|y||train|\n" },

  /* JSON */
  { "json-names",
      "=== "
      "a.json\n{\"fps\":12,\"videos\":[{\"filename\":\"a\\u00e4\\\"\",\"subset\":\"training\","
      "\"annotations\":[{\"start_frame\":5,\"end_frame\":14,\"action\":\"x\"},{\"segment\":[1,\"0:"
      "02.5\"],\"label\":\"y\"}]},{\"video\":\"b\",\"label\":\"\\ud83d\\ude00\",\"split\":null,"
      "\"group\":7}]}",
      "a\xC3\xA4\"|x|#5-15|train|\na\xC3\xA4\"|y|1-2.5|train|\nb|\xF0\x9F\x98\x80||train|7\n" },
  { "json-background",
      "=== "
      "a.json\n[{\"path\":\"a\",\"duration\":9,\"segments\":[{\"start\":1,\"end\":2,\"label\":"
      "\"x\"}]}]",
      "a|x|1-2|train|\na|none|0-1|train|\na|none|2-9|train|\n", .background = "none" },
  { "json-duration",
      "=== "
      "a.json\n[{\"path\":\"a\",\"duration\":9,\"segments\":[{\"start\":1,\"duration\":2.5,"
      "\"label\":\"x\"},{\"start\":1,\"end\":2,\"duration\":9,\"label\":\"x\"}]},"
      "{\"path\":\"b\",\"label\":\"y\",\"duration\":3}]",
      "a|x|1-3.5|train|\na|x|1-2|train|\nb|y||train|\n" },
  { "json-nulls",
      "=== "
      "a.json\n[{\"path\":\"a\",\"label\":\"x\",\"start\":null,\"end\":null,\"start_frame\":3,"
      "\"end_frame\":9},{\"path\":\"b\",\"label\":\"y\",\"start\":1,\"end\":2,\"start_frame\":null}"
      "]",
      "a|x|#3-10|train|\nb|y|1-2|train|\n" },
  { "json-ignored",
      "=== "
      "a.json\n[{\"path\":\"a\",\"label\":\"x\",\"who\":1},{\"path\":\"b\",\"label\":\"y\",\"who\":"
      "1,\"note\":{}}]",
      "a|x||train|\nb|y||train|\n", NULL, "a.json: members that are not read: who, note" },
  { "json-time", "=== a.json\n[{\"path\":\"a\",\"label\":\"x\",\"begin_ms\":1}]", NULL,
      "a.json:1:27: the member \"begin_ms\" looks like a time, but its name is not known; call it "
      "start, end, start_frame or end_frame, or remove it" },
  { "json-frames", "=== a.json\n[{\"path\":\"a\",\"label\":\"x\",\"start_frame\":1.5}]", NULL,
      "the first frame \"1.5\"" },
  { "json-last", "=== a.json\n[{\"path\":\"a\",\"label\":\"x\",\"end_frame\":1.5}]", NULL,
      "the last frame \"1.5\"" },
  { "json-text", "=== a.json\n[{\"path\":[],\"label\":\"x\"}]", NULL,
      "a.json:1:10: \"path\" is neither a text nor a number" },
  { "json-segment",
      "=== a.json\n[{\"path\":\"a\",\"segments\":[{\"label\":\"x\",\"segment\":[1]}]}]", NULL,
      "a.json:1:49: a segment is not a list of two times, [start, end]" },
  { "json-format", "=== a.json\n[]", NULL, "this format (JSON timelines)", .annotator = "1" },
  { "json-comment", "=== a.json\n[1,\n // x\n]", NULL,
      "a.json:2:2: JSON has no comments and no other quotes than \"" },
  { "json-comma", "=== a.json\n[1 2]", NULL,
      "a.json:1:4: a comma or a closing bracket is missing here" },
  { "json-value", "=== a.json\n[1,]", NULL,
      "a.json:1:4: a value is missing here; is the file cut off, or a comma too many?" },
  { "json-name", "=== a.json\n{\"a\":1,}", NULL,
      "a.json:1:8: the name of a member, in double quotes, is missing here" },
  { "json-colon", "=== a.json\n{\"a\" 1}", NULL, "a.json:1:6: a colon is missing here" },
  { "json-number", "=== a.json\n[01]", NULL, "a.json:1:2: not a valid number of JSON" },
  { "json-open", "=== a.json\n[\"a]", NULL, "a.json:1:2: a text is never closed" },
  { "json-escape", "=== a.json\n[\"a\\x\"]", NULL,
      "a.json:1:4: an escape that JSON does not have; a backslash is written \\\\" },
  { "json-unicode", "=== a.json\n[\"\\u12x4\"]", NULL,
      "a.json:1:3: \\u needs four hexadecimal digits" },
  { "json-nul", "=== a.json\n[\"\\u0000\"]", NULL, "a.json:1:3: a NUL character in a text" },
  { "json-line", "=== a.json\n[\"a\nb\"]", NULL,
      "a line end or control character in a text; write it as \\n or \\u" },
  { "json-behind", "=== a.json\n[] []", NULL, "a.json:1:4: text after the end of the JSON" },

  /* ActivityNet, Kinetics, MMAction2, Something-Something */
  { "activitynet",
      "=== "
      "an/"
      "a.json\n{\"version\":\"1.3\",\"database\":{\"id1\":{\"subset\":\"training\",\"duration\":9,"
      "\"annotations\":[{\"segment\":[0.5,4],\"label\":\"High "
      "jump\"},{\"label\":\"Run\",\"segment\":[5,6]}]},\"id2\":{\"annotations\":[],\"subset\":"
      "\"testing\"}}}=== an/other.mkv\n-\n",
      "id1.mp4|High jump|0.5-4|train|\nid1.mp4|Run|5-6|train|\n", NULL,
      "a.json: videos without annotations, which are left out: 1" },
  { "activitynet-background",
      "=== "
      "an/"
      "a.json\n{\"database\":{\"id1\":{\"subset\":\"training\",\"duration\":9,\"annotations\":[{"
      "\"segment\":[0.5,4],\"label\":\"High jump\"},{\"label\":\"Run\",\"segment\":[3,6]}]}}}\n"
      "=== an/v_id1.mkv\n-\n",
      "v_id1.mkv|High jump|0.5-4|train|\nv_id1.mkv|Run|3-6|train|\nv_id1.mkv|none|0-0.5|train|\n"
      "v_id1.mkv|none|6-9|train|\n",
      .background = "none" },
  { "kinetics-json",
      "=== "
      "kj/"
      "a.json\n{\"id1\":{\"annotations\":{\"label\":\"run\",\"segment\":[3.0,13.0]},\"subset\":"
      "\"train\"},\"id2\":{\"annotations\":{\"label\":\"sit\",\"segment\":[3.0,13.0]},\"subset\":"
      "\"validate\"},\"id3\":{\"annotations\":{\"label\":\"sit\"}}}\n=== "
      "kj/id1_000003_000013.mp4\n-\n",
      "id1_000003_000013.mp4|run||train|\nid2.mp4|sit|3-13|val|\nid3.mp4|sit||train|\n" },
  { "video-map", "=== a.json\n{\"id1\":{\"annotations\":[]},\"id2\":{}}", NULL,
      "a.json:1:33: the video has no \"annotations\"" },
  { "video-map-format", "=== a.json\n{\"id1\":{\"annotations\":[]}}", NULL,
      "this format (ActivityNet's JSON)", .annotator = "1" },
  { "something",
      "=== s/a.json\n[{\"id\":\"78687\",\"label\":\"holding a potato\",\"template\":\"Holding "
      "[something] up\",\"placeholders\":[\"a potato\"]},{\"id\":5,\"template\":\"Moving "
      "[\\u00e4]\"}]\n=== s/78687.webm\n-\n",
      "78687.webm|Holding something up||train|\n5.mp4|Moving \xC3\xA4||train|\n" },
  { "something-format", "=== a.json\n[{\"id\":1,\"template\":\"x\"}]", NULL,
      "this format (Something-Something's JSON)", .annotator = "1" },

  /* Label Studio */
  { "studio",
      "=== ls/a.json\n[" STUDIO_TASK ("/data/upload/1/0123abcd-a%20b.mp4?x=1",
          "{\"was_cancelled\":true,\"result\":[]},{\"result\":[" STUDIO_RANGE (
              "3", "12", "\"Walk\"") "," STUDIO_RANGE ("0", "1",
              "\"J\\u00fcmp\"") "]}") "," STUDIO_TASK ("/data/local-files/?d=x/c.mp4",
          "{\"result\":[{\"type\":\"labels\",\"value\":{\"start\":0.5,\"end\":2,\"labels\":["
          "\"Walk\"]}},{\"type\":\"choices\",\"value\":{\"choices\":[\"Sit\"]}},{\"type\":"
          "\"videorectangle\",\"value\":{\"labels\":[\"x\"],\"sequence\":[]}}]}") "," STUDIO_TASK ("d.mp4",
          "") "]\n=== ls/v/a b.mp4\n-\n",
      "v/a b.mp4|Walk|#2-12|train|\nv/a "
      "b.mp4|J\xC3\xBCmp|#0-1|train|\nc.mp4|Walk|0.5-2|train|\nc.mp4|Sit||train|\n",
      NULL, "tasks without an annotation, which are left out: 1", .format = "Label Studio's JSON" },
  { "studio-background",
      "=== a.json\n[" STUDIO_TASK ("a.mp4",
          "{\"result\":[" STUDIO_RANGE ("11", "20", "\"Walk\"") "," STUDIO_RANGE (
              "31", "40", "\"Run\"") "]}") "," STUDIO_TASK ("b.mp4", "{\"result\":[]}") "]",
      "a.mp4|Walk|#10-20|train|\na.mp4|Run|#30-40|train|\na.mp4|none|#0-10|train|\na.mp4|none|#20-"
      "30|train|\n"
      "b.mp4|none||train|\n",
      .background = "none" },
  { "studio-annotators",
      "=== a.json\n[" STUDIO_TASK (
          "a.mp4", "{\"completed_by\":1,\"result\":[]},{\"completed_by\":2,\"result\":[]}") "]",
      NULL,
      "a second annotation of this video; set annotator to the number or address (completed_by) of "
      "one annotator" },
  { "studio-annotator",
      "=== a.json\n[" STUDIO_TASK ("a.mp4",
          "{\"completed_by\":1,\"result\":[" STUDIO_RANGE ("1", "2",
              "\"No\"") "]},{\"completed_by\":{\"id\":2,\"email\":\"b@x.org\"},"
                        "\"result\":[" STUDIO_RANGE ("1", "2", "\"Walk\"") "," STUDIO_RANGE (
                            "3", "4", "\"Run\"") "]}") "]",
      "a.mp4|Walk|#0-2|train|\na.mp4|Run|#2-4|train|\n", .annotator = "b@x.org" },
  { "studio-labels",
      "=== a.json\n[" STUDIO_TASK (
          "a.mp4", "{\"result\":[" STUDIO_RANGE ("1", "2", "\"No\",\"Yes\"") "]}") "]",
      NULL, "several labels; a clip has one class here: keep one label for each range" },
  { "studio-open-range",
      "=== a.json\n[" STUDIO_TASK ("a.mp4",
          "{\"id\":5,\"result\":[{\"type\":\"timelinelabels\",\"value\":{\"ranges\":[{\"start\":3}]"
          ","
          "\"timelinelabels\":[\"Walk\"]}}]}") "]\n",
      NULL, "the range has no end" },
  { "studio-first",
      "=== a.json\n[" STUDIO_TASK (
          "a.mp4", "{\"result\":[" STUDIO_RANGE ("\"x\"", "2", "\"No\"") "]}") "]",
      NULL, "the first frame \"x\" is not a frame's number" },
  { "studio-digits",
      "=== a.json\n[" STUDIO_TASK ("a.mp4",
          "{\"result\":[" STUDIO_RANGE ("3.0000000000000000000000000000000000000000",
              "\"1\\u0032\"", "\"W\\u0061lk\"") "]}") "," STUDIO_TASK ("b.mp4",
          "{\"result\":[" STUDIO_RANGE ("1", "2", "\"Run\"") "]}") "]",
      "a.mp4|Walk|#2-12|train|\nb.mp4|Run|#0-2|train|\n" },
  { "studio-last",
      "=== a.json\n[" STUDIO_TASK (
          "a.mp4", "{\"result\":[" STUDIO_RANGE ("1", "\"y\"", "\"No\"") "]}") "]",
      NULL, "the last frame \"y\" is not a frame's number" },
  { "studio-video", "=== a.json\n[{\"data\":{\"text\":\"x\"},\"annotations\":[]}]", NULL,
      "a.json:1:2: the task has no video in its data" },
  { "studio-min",
      "=== "
      "a.json\n[{\"clip\":\"/data/upload/1/"
      "a.mp4\",\"id\":1,\"videoLabels\":[{\"ranges\":[{\"start\":3,\"end\":12}],\"timelinelabels\":"
      "[\"Walk\"]}],\"annotator\":\"b@x.org "
      "1\",\"annotation_id\":1},{\"video\":\"b.mp4\",\"id\":2,\"choice\":\"Sit\",\"annotator\":1,"
      "\"annotation_id\":2}]",
      "a.mp4|Walk|#2-12|train|\nb.mp4|Sit||train|\n" },
  { "studio-min-annotators",
      "=== "
      "a.json\n[{\"video\":\"b.mp4\",\"id\":2,\"choice\":\"Sit\",\"annotator\":1,\"annotation_id\":"
      "2},{\"video\":\"b.mp4\",\"id\":2,\"choice\":\"Run\",\"annotator\":2,\"annotation_id\":3}]",
      NULL,
      "a second annotation of this video; set annotator to one of the values of the member "
      "annotator" },
  { "studio-min-video", "=== a.json\n[{\"id\":2,\"annotation_id\":2}]", NULL,
      "a.json:1:2: the row has no video" },

  /* CVAT */
  { "cvat",
      "=== a.xml\n" CVAT_META
      "<track id=\"0\" label=\"walk\"><box frame=\"2\" outside=\"0\"/><box frame=\"3\" "
      "outside=\"0\"/><box frame=\"4\" outside=\"1\"/><box frame=\"7\" outside=\"0\"/><box "
      "frame=\"9\" outside=\"0\"><attribute name=\"speed\">1</attribute></box></track>\n<track "
      "id=\"1\" label=\"x &amp; y\"><polygon frame=\"0\" outside=\"0\"/></track>\n<image id=\"10\" "
      "name=\"f\"><tag label=\"sit\"/></image><image id=\"11\"><tag label=\"sit\"/></image><image "
      "id=\"13\"><tag label=\"sit\"/></image></annotations>",
      "a b.mp4|walk|#2-4|train|\na b.mp4|walk|#7-10|train|\na b.mp4|x & y|#0-1|train|\na "
      "b.mp4|sit|#10-12|train|\n"
      "a b.mp4|sit|#13-14|train|\n" },
  { "cvat-step",
      "=== "
      "c2/a.xml\n<annotations><meta><task><size>5</size><start_frame>100</"
      "start_frame><frame_filter>step=10</frame_filter><source>d/a.mp4</source></task></"
      "meta><track label=\"x\"><box frame=\"1\" outside=\"0\"/><box frame=\"3\" "
      "outside=\"1\"/></track></annotations>\n=== c2/v/a.mp4\n-\n",
      "v/a.mp4|x|#110-121|train|\nv/a.mp4|none|#100-110|train|\nv/a.mp4|none|#121-150|train|\n",
      .background = "none" },
  { "cvat-step-0",
      "=== "
      "a.xml\n<annotations><meta><frame_filter>step=0</frame_filter><source>a.mp4</source></meta>"
      "<track label=\"x\"><box frame=\"2\"/><box frame=\"4\"/></track><track label=\"y\"><box "
      "frame=\"6\"/></track></annotations>",
      "a.mp4|x|#2-5|train|\na.mp4|y|#6-7|train|\n" },
  { "cvat-step-blanks",
      "=== a.xml\n<annotations><meta><frame_filter>step = 10</frame_filter><source>a.mp4</source>"
      "</meta><track label=\"x\"><box frame=\"2\"/><box frame=\"4\"/></track><track "
      "label=\"y\"><box "
      "frame=\"6\"/></track></annotations>",
      "a.mp4|x|#20-41|train|\na.mp4|y|#60-61|train|\n" },
  { "cvat-syntax", "=== a.xml\n<annotations><meta>", NULL, "a.xml: not valid XML: " },
  { "cvat-source", "=== a.xml\n<annotations><track label=\"x\"/></annotations>", NULL,
      "no video is named (meta has no source); export it as \"CVAT for video 1.1\"" },
  { "cvat-tasks", "=== a.xml\n" CVAT_META "<meta><source>b.mp4</source></meta></annotations>", NULL,
      "a second video; export each task of the project separately" },
  { "cvat-frame",
      "=== a.xml\n" CVAT_META "<track label=\"x\"><box frame=\"-1\"/></track></annotations>", NULL,
      "the frame of a track's shape is not a whole number, 0 or more" },
  { "cvat-track", "=== a.xml\n" CVAT_META "<track id=\"3\"/></annotations>", NULL,
      "the track has no label" },
  { "cvat-image", "=== a.xml\n" CVAT_META "<image name=\"3\"/></annotations>", NULL,
      "the image has no number (id)" },
  { "cvat-tag", "=== a.xml\n" CVAT_META "<image id=\"3\"><tag/></image></annotations>", NULL,
      "the tag has no label" },
  { "cvat-deep", "=== a.xml\n<annotations><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>", NULL,
      "elements are nested deeper than 16 levels" },
  { "cvat-format", "=== a.xml\n" CVAT_META "</annotations>", NULL, "this format (CVAT's XML)",
      .annotator = "1" },
  /* nothing */
  { "no-annotations", "=== a.json\n[" STUDIO_TASK ("a.mp4", "") "]\n", NULL,
      "a.json: no clips in it; it was read as Label Studio's JSON, where clips are timeline "
      "labels, "
      "labels with start and end, or choices of the annotations of tasks; " },
  { "no-annotations-count", "=== a.json\n[" STUDIO_TASK ("a.mp4", "") "]\n", NULL,
      "tasks without an annotation, which are left out: 1" },
  { "no-database", "=== a.json\n{\"database\":{}}\n", NULL,
      "it was read as ActivityNet's JSON, where clips are the annotations of videos, with label" },
  { "no-segments", "=== a.json\n[{\"path\":\"a.mp4\",\"segments\":[]}]\n", NULL,
      "it was read as JSON timelines, where clips are videos with a label, or with segments that" },
  { "no-tracks", "=== a.xml\n" CVAT_META "</annotations>\n", NULL,
      "it was read as CVAT's XML, where clips are tracks or tags" },
  { "no-rows", "=== a.csv\n" VIA_HEADER "", NULL,
      "it was read as VIA's CSV, where clips are rows with temporal coordinates and an attribute" },
  { "no-classes", "=== none/a/x.txt\n\n=== none/b.mp4\n\n", NULL,
      "found: 1 folders without videos or pictures in them, 1 videos beside them, which have no "
      "class; a folder has a sub-folder for each class",
      .location = "none" },
  { "other-results",
      "=== a.json\n[" STUDIO_TASK ("a.mp4",
          "{\"result\":[{\"type\":\"videorectangle\",\"value\":{\"sequence\":[],\"labels\":[\"x\"]}"
          "}"
          ",{\"type\":\"textarea\",\"value\":{\"text\":[\"hi\"]}},{\"value\":{}},"
          "{\"type\":\"videorectangle\"}," STUDIO_RANGE (
              "1", "5", "\"a\"") "]}") "," STUDIO_TASK ("b.mp4",
          "{\"result\":[" STUDIO_RANGE ("1", "5", "\"b\"") "]}") "]\n",
      "a.mp4|a|#0-5|train|\nb.mp4|b|#0-5|train|\n", NULL,
      "results that do not label a time range, by type, which are left out: videorectangle 2, "
      "textarea "
      "1, (no type) 1" },
};

static gchar *dir;

/* --- cost of untrusted files --- */

typedef struct {
  const gchar *name, *head, *again, *tail;
  guint times;
  const gchar *error;
} Large;

static const Large larges[] = {
  { "deep.json", "", "[", "", 15000000, ":1:33: nested deeper than 32 levels" },
  { "wide.json", "[[]", ",[]", "]", 5000000, ":1:2: not an object" },
  { "tag.xml", "<annotations ", "a=\"1\" ", "/>", 20000, ":1:1: an element of more than 64 KiB" },
  { "quotes.csv", "a,b\n", "\"\",", "\n", 5000000, ":2:769: more than 256 columns" },
  { "classes.txt", "a.mp4 0\nb.mp4 0\n", "c.mp4 1 2\n", "", 2000000,
      ":3:7: several labels; a clip has one class" },
};

/* Sanitizers keep shadow memory of mappings, the one for threads of allocations, too. */
#if defined(__SANITIZE_THREAD__)
#define GROWTH G_MAXLONG
#define ALLOCATED G_MAXINT
#else
#define ALLOCATED 8192 /* KiB */
#if defined(__SANITIZE_ADDRESS__)
#define GROWTH G_MAXLONG
#else
#define GROWTH (24 << 10) /* KiB, of a file of 64 MiB */
#endif
#endif

static glong
peak_kib (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

/* A file that is rejected allocates little beyond its own pages. */
static void
test_large (gconstpointer data)
{
  const Large *large = data;
  g_autoptr (GString) text = g_string_new (large->head);
  g_autofree gchar *path = g_build_filename (dir, large->name, NULL);
  const Cnn3dDatasetParams params = { .location = path };
  GError *error = NULL;
  glong before;

  for (guint i = 0; i < large->times; i++)
    g_string_append (text, large->again);
  g_string_append (text, large->tail);
  g_assert_true (g_file_set_contents (path, text->str, text->len, NULL));
  before = peak_kib ();
  g_assert_null (cnn3d_dataset_new (&params, &error));
  g_assert_nonnull (strstr (error->message, large->error));
  g_test_message ("%s: %ld KiB", error->message, peak_kib () - before);
  g_assert_cmpint (peak_kib () - before, <, (glong) (text->len >> 10) + ALLOCATED);
  g_error_free (error);
}

/* The pages of a file are released after it was read. */
static void
test_pages (const gchar *head, const gchar *again, const gchar *tail)
{
  g_autoptr (GString) piece = g_string_new (NULL);
  g_autofree gchar *path = g_build_filename (dir, "pages", NULL);
  const Cnn3dDatasetParams params = { .location = path };
  FILE *file = g_fopen (path, "w");
  int status;
  pid_t child;

  while (piece->len < 1 << 20)
    g_string_append (piece, again);
  fputs (head, file);
  for (guint i = 0; i < 64; i++)
    fputs (piece->str, file);
  fputs (tail, file);
  g_assert_cmpint (fclose (file), ==, 0);
  /* a child's peak begins at its current size */
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    const glong before = peak_kib ();
    Cnn3dDataset *dataset = cnn3d_dataset_new (&params, NULL);

    _exit (!dataset ? 1 : peak_kib () - before >= GROWTH ? 2 : 0);
  }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
}

static void
test_all_pages (void)
{
  g_autofree gchar *blanks = g_strnfill (4000, ' '), *names = g_strnfill (4000, 'x');
  g_autofree gchar *rows = g_strdup_printf ("a.mp4,%s,a\n", names);
  g_autofree gchar *task =
      g_strdup_printf (STUDIO_TASK ("a.mp4", "{\"was_cancelled\":true%s}") ",\n", blanks);

  test_pages ("path,note,label\nb.mp4,,b\n", rows, "");
  test_pages ("[" STUDIO_TASK ("a.mp4", "{\"result\":[" STUDIO_RANGE ("1", "2", "\"a\"") "]}") ",",
      task, STUDIO_TASK ("b.mp4", "{\"result\":[" STUDIO_RANGE ("1", "2", "\"b\"") "]}") "]");
}

/* More classes than allowed. */
static void
test_many_classes (void)
{
  g_autofree gchar *path = g_build_filename (dir, "a.csv", NULL);
  g_autofree gchar *classes = g_build_filename (dir, "classes", NULL);
  const Cnn3dDatasetParams params = { .location = path, .classes_location = classes };
  g_autoptr (GString) text = g_string_new (NULL);
  GError *error = NULL;

  for (guint i = 0; i <= 1000000; i++)
    g_string_append (text, "x\n");
  g_assert_true (g_file_set_contents (classes, text->str, text->len, NULL));
  g_assert_true (g_file_set_contents (path, "a.mp4,0\nb.mp4,1\n", -1, NULL));
  g_assert_null (cnn3d_dataset_new (&params, &error));
  g_assert_nonnull (strstr (error->message, "classes:1000001: more than 1000000 classes; a list"));
  g_error_free (error);
}

/* UTF-16 without a byte-order mark, which contains NULs, and more tags than allowed. */
static void
test_others (gconstpointer data)
{
  g_autoptr (GString) text = g_string_new (CVAT_META);
  g_autofree gchar *path = g_build_filename (dir, "other", NULL);
  const Cnn3dDatasetParams params = { .location = path };
  GError *error = NULL;

  g_assert_true (g_file_set_contents (path, "a\0,\0x\0\n\0", 8, NULL));
  g_assert_null (cnn3d_dataset_new (&params, &error));
  g_assert_nonnull (
      strstr (error->message, ":1:2: UTF-16 without a byte-order mark; save the file as UTF-8"));
  g_clear_error (&error);
  g_string_append (text, "<image id=\"1\">");
  for (guint i = 0; i <= 10000; i++)
    g_string_append_printf (text, "<tag label=\"%u\"/>", i);
  g_string_append (text, "</image></annotations>");
  g_assert_true (g_file_set_contents (path, text->str, text->len, NULL));
  g_assert_null (cnn3d_dataset_new (&params, &error));
  g_assert_nonnull (strstr (error->message, "more than 10000 different tags"));
  g_error_free (error);
}

/* --- the cases --- */

/* Writes the files; returns the first one's path. */
static gchar *
write_files (const gchar *text)
{
  g_auto (GStrv) files = g_strsplit (text, "=== ", -1);
  gchar *first = NULL;

  for (guint i = 1; files[i]; i++) {
    gchar *content = strchr (files[i], '\n');
    g_autofree gchar *path = NULL, *folder = NULL;
    GError *error = NULL;

    *content++ = '\0';
    path = g_build_filename (dir, files[i], NULL);
    folder = g_path_get_dirname (path);
    g_assert_cmpint (g_mkdir_with_parents (folder, 0755), ==, 0);
    g_file_set_contents (path, content, -1, &error);
    g_assert_no_error (error);
    if (!first)
      first = g_strdup (path);
  }
  return first;
}

static void
mark_split (const Cnn3dDataset *d, gboolean training, const gchar *name, const gchar **splits)
{
  guint n;
  const guint32 *rows = cnn3d_dataset_split (d, training, &n);

  for (guint i = 0; i < n; i++)
    if (!splits[rows[i]])
      splits[rows[i]] = name;
}

/* All rows, in the format of a case. */
static gchar *
show_rows (const Cnn3dDataset *d, const Cnn3dDatasetParams *params)
{
  GString *text = g_string_new (NULL);
  const guint n = cnn3d_dataset_num_rows (d);
  g_autofree const gchar **splits = g_new0 (const gchar *, n);
  Cnn3dDatasetParams of_test = *params;
  Cnn3dDataset *test;

  mark_split (d, TRUE, "train", splits);
  mark_split (d, FALSE, "val", splits);
  of_test.passes = CNN3D_PASSES_TEST;
  test = cnn3d_dataset_new (&of_test, NULL);
  if (test)
    mark_split (test, FALSE, "test", splits);
  cnn3d_dataset_free (test);
  for (guint i = 0; i < n; i++) {
    Cnn3dDatasetRow row;

    cnn3d_dataset_row (d, i, &row);
    g_string_append_printf (text, "%s|%s|", row.path, cnn3d_dataset_classes (d)[row.label]);
    if (row.start > 0 || isfinite (row.end))
      g_string_append_printf (text, "%s%g-%g", row.in_frames ? "#" : "", row.start, row.end);
    g_string_append_printf (
        text, "|%s|%s\n", splits[i] ? splits[i] : "", row.group ? row.group : "");
  }
  return g_string_free (text, FALSE);
}

static gchar *
in_dir (const gchar *name)
{
  return name ? g_build_filename (dir, name, NULL) : NULL;
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autofree gchar *first = write_files (c->files), *location = in_dir (c->location),
                   *root = in_dir (c->root);
  g_autofree gchar *classes = in_dir (c->classes), *shown = NULL;
  const Cnn3dDatasetParams params = { .location = location ? location : first,
    .root = root,
    .classes_location = classes,
    .annotator = c->annotator,
    .background = c->background };
  GError *error = NULL;
  Cnn3dDataset *d = cnn3d_dataset_new (&params, &error);
  gboolean noted = c->note == NULL;
  guint n;

  if (c->error) {
    g_assert_null (d);
    g_test_message ("%s", error->message);
    g_assert_true (error->domain == CNN3D_DATASET_ERROR);
    g_assert_nonnull (strstr (error->message, c->error));
    g_error_free (error);
    return;
  }
  g_assert_no_error (error);
  shown = show_rows (d, &params);
  g_assert_cmpstr (shown, ==, c->rows);
  for (cnn3d_dataset_notes (d, &n); n > 0; n--) {
    const gchar *text = cnn3d_dataset_notes (d, &(guint) { 0 })[n - 1].text;

    g_test_message ("%s", text);
    noted = noted || strstr (text, c->note);
  }
  g_assert_true (noted);
  if (c->format)
    g_assert_cmpstr (cnn3d_dataset_format (d, FALSE), ==, c->format);
  cnn3d_dataset_free (d);
}

/* Each test has a folder of its own. */
static void
make_folder (gpointer unused, gconstpointer data)
{
  dir = g_dir_make_tmp ("formats-XXXXXX", NULL);
  g_assert_nonnull (dir);
}

static void
remove_folder (gpointer unused, gconstpointer data)
{
  remove_tree (dir);
  g_clear_pointer (&dir, g_free);
}

static void
run_case (gpointer unused, gconstpointer data)
{
  test_case (data);
}

static void
run_large (gpointer unused, gconstpointer data)
{
  if (data) {
    test_large (data);
  } else {
    test_others (NULL);
    test_all_pages ();
    test_many_classes ();
  }
}

static void
add_test (const gchar *name, gconstpointer data, void (*run) (gpointer, gconstpointer))
{
  g_autofree gchar *path = g_strconcat ("/formats/", name, NULL);

  g_test_add_vtable (path, 1, data, make_folder, run, remove_folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (larges); i++)
    add_test (larges[i].name, &larges[i], run_large);
  add_test ("others", NULL, run_large);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    add_test (cases[i].name, &cases[i], run_case);
  return g_test_run ();
}
